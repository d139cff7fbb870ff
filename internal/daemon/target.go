package daemon

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/config"
)

// storageOptions are the settings that concern the target.
func storageOptions(o Options) storage.Options {
	cfg := o.Config
	target, credentials := cfg.Target, cfg.Credentials
	s := storage.Options{
		Retries: cfg.Retries, RetryDelay: cfg.RetryDelay, Warn: o.Log.Warn,
		RequireMount: cfg.TargetRequireMount,
		Password:     credentials.FTPPassword,
		TLS:          storage.TLS{CAFile: target.CAFile, CAPath: target.CAPath, Insecure: target.Insecure},
		S3Endpoint:   target.S3.Endpoint, S3Plain: target.S3.Plain,
		S3: storage.S3{
			AccessKeyID: credentials.AWSAccessKeyID, SecretAccessKey: credentials.AWSSecretAccessKey,
			SessionToken: credentials.AWSSessionToken, Profile: credentials.AWSProfile, CredentialsFile: credentials.AWSCredentialsFile,
			Region: cmp.Or(target.S3.Region, credentials.AWSRegion), VirtualHost: target.S3.VirtualHost,
			StorageClass: target.S3.StorageClass, Encrypt: target.S3.Encrypt, EncryptKMS: target.S3.EncryptKMS,
			KMSKeyID: target.S3.KMSKeyID, PartSize: target.S3.PartSize,
		},
		SSH:           sshOptions(target.SSH, o.KeyDir),
		RsyncPassword: credentials.RsyncPassword, RsyncOptions: target.RsyncOptions, Rclone: rclone(cfg.Programs, o.KeyDir),
	}
	if limit := cfg.BandwidthLimit; !limit.IsZero() {
		s.UploadRate = func() int64 { return limit.At(o.Now()) }
	}
	if target.CAFile == "" && target.CAPath == "" && credentials.AWSCAFile != "" {
		s.S3.TLS = storage.TLS{CAFile: credentials.AWSCAFile, Insecure: target.Insecure}
	}
	return s
}

func sshOptions(c config.SSH, keyDir string) storage.SSH {
	s := storage.SSH{
		User: c.User, Port: c.Port, AgentSocket: c.AgentSocket, OnlyIdentity: c.OnlyIdentity,
		Ciphers: c.Ciphers, MACs: c.MACs, KeyExchanges: c.KeyExchanges, HostKeyAlgorithms: c.HostKeyAlgorithms,
		HostKeys: map[config.HostKeys]storage.HostKeyCheck{
			config.HostKeysNew: storage.HostKeyNew, config.HostKeysAny: storage.HostKeyAny,
		}[c.HostKeys], // else known ones only
	}
	home := homeDir()
	if keyDir != "" {
		s.Dirs = append(s.Dirs, filepath.Join(filepath.Dir(keyDir), ".ssh"))
	}
	if own := filepath.Join(home, ".ssh"); home != "" && (len(s.Dirs) == 0 || s.Dirs[0] != own) {
		s.Dirs = append(s.Dirs, own)
	}
	expand := func(files []string) (list []string) {
		for _, file := range files {
			if rest, ok := strings.CutPrefix(file, "~/"); ok {
				file = filepath.Join(home, rest)
			}
			list = append(list, file)
		}
		return list
	}
	s.IdentityFiles, s.KnownHosts = expand(c.IdentityFiles), expand(c.KnownHosts)
	return s
}
