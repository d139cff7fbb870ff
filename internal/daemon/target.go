package daemon

import (
	"cmp"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/config"
)

// storageOptions are the settings that concern the target.
func storageOptions(cfg *config.Config) storage.Options {
	target, credentials := cfg.Target, cfg.Credentials
	o := storage.Options{
		Retries: cfg.Retries, RetryDelay: cfg.RetryDelay,
		Password:   credentials.FTPPassword,
		TLS:        storage.TLS{CAFile: target.CAFile, CAPath: target.CAPath, Insecure: target.Insecure},
		S3Endpoint: target.S3.Endpoint, S3Plain: target.S3.Plain,
		S3: storage.S3{
			AccessKeyID: credentials.AWSAccessKeyID, SecretAccessKey: credentials.AWSSecretAccessKey,
			SessionToken: credentials.AWSSessionToken, Profile: credentials.AWSProfile, CredentialsFile: credentials.AWSCredentialsFile,
			Region: cmp.Or(target.S3.Region, credentials.AWSRegion), VirtualHost: target.S3.VirtualHost,
			StorageClass: target.S3.StorageClass, Encrypt: target.S3.Encrypt, EncryptKMS: target.S3.EncryptKMS,
			KMSKeyID: target.S3.KMSKeyID, PartSize: target.S3.PartSize,
		},
	}
	if target.CAFile == "" && target.CAPath == "" {
		o.S3.TLS = storage.TLS{CAFile: credentials.AWSCAFile, Insecure: target.Insecure}
	}
	return o
}
