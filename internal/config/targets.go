package config

// Target has what options tell of the target besides its URL.
type Target struct {
	// Who is trusted on targets over TLS: the authorities in a file or in the
	// files of a directory, or everybody. All zero trusts the system's.
	CAFile, CAPath string
	Insecure       bool

	S3  S3
	SSH SSH

	RsyncOptions []string // for the program
}

// S3 has what is told of targets on S3.
type S3 struct {
	Endpoint     string // URL of the server
	Plain        bool   // without TLS, where there is no Endpoint
	Region       string // wins over the variables
	VirtualHost  bool   // the bucket is part of the host name
	StorageClass string // empty is the bucket's own
	Encrypt      bool   // with S3's keys
	EncryptKMS   bool   // with those of the KMS
	KMSKeyID     string
	PartSize     int64 // bytes, 0 is the default
}

// targetOptions are the options for kinds of targets.
func targetOptions() []option {
	text := func(name string, field func(*Config) *string) option {
		return option{name: name, values: 1, apply: func(c *Config, v string) error {
			return text(func(v string) { *field(c) = v })(v)
		}}
	}
	class := func(name, class string) option {
		return option{name: name, apply: func(c *Config, _ string) error { c.Target.S3.StorageClass = class; return nil }}
	}
	flag := func(name string, field func(*Config) *bool) option {
		return option{name: name, apply: func(c *Config, _ string) error { *field(c) = true; return nil }}
	}
	const byItself = "purser finds it out by itself"
	return []option{
		text("--s3-endpoint-url", func(c *Config) *string { return &c.Target.S3.Endpoint }),
		text("--s3-region-name", func(c *Config) *string { return &c.Target.S3.Region }),
		text("--s3-kms-key-id", func(c *Config) *string { return &c.Target.S3.KMSKeyID }),
		flag("--s3-unencrypted-connection", func(c *Config) *bool { return &c.Target.S3.Plain }),
		flag("--s3-use-new-style", func(c *Config) *bool { return &c.Target.S3.VirtualHost }),
		flag("--s3-use-server-side-encryption", func(c *Config) *bool { return &c.Target.S3.Encrypt }),
		flag("--s3-use-server-side-kms-encryption", func(c *Config) *bool { return &c.Target.S3.EncryptKMS }),
		class("--s3-use-rrs", "REDUCED_REDUNDANCY"),
		class("--s3-use-ia", "STANDARD_IA"),
		class("--s3-use-onezone-ia", "ONEZONE_IA"),
		class("--s3-use-glacier", "GLACIER"),
		class("--s3-use-glacier-ir", "GLACIER_IR"),
		class("--s3-use-deep-archive", "DEEP_ARCHIVE"),
		{name: "--s3-multipart-chunk-size", values: 1, apply: func(c *Config, v string) error {
			n, err := parseCount(v, 1<<10)
			c.Target.S3.PartSize = n << 20
			return err
		}},
		{name: "--s3-european-buckets", needless: byItself},
		{name: "--s3-multipart-max-procs", values: 1, needless: "several objects are sent at once"},
		{name: "--s3-multipart-max-timeout", values: 1, needless: "purser has time limits of its own"},
		{name: "--s3-use-multiprocessing", needless: "several objects are sent at once"},

		{name: "--ssh-options", values: 1, apply: parseSSHOptions},
		{name: "--ssh-option", values: 1, apply: parseSSHOptions}, // a common slip
		{name: "--ssh-askpass", refused: "set FTP_PASSWORD to the password, or to the key's passphrase"},
		{name: "--ssh-backend", values: 1, needless: "no other program runs"}, // until 0.7
		{name: "--scp-command", values: 1, needless: "no other program runs"},
		{name: "--sftp-command", values: 1, needless: "no other program runs"},
		{name: "--use-scp", needless: "the server's SFTP is used"}, // until 0.7

		{name: "--rsync-options", values: 1, apply: func(c *Config, v string) error {
			words, err := splitWords(v)
			c.Target.RsyncOptions = append(c.Target.RsyncOptions, words...)
			return err
		}},

		{name: "--ftp-passive", needless: "transfers are always passive"},
		{name: "--ftp-regular", refused: "transfers are always passive; take the option out"},

		text("--ssl-cacert-file", func(c *Config) *string { return &c.Target.CAFile }),
		text("--ssl-cacert-path", func(c *Config) *string { return &c.Target.CAPath }),
		flag("--ssl-no-check-certificate", func(c *Config) *bool { return &c.Target.Insecure }),
	}
}

// refusedTargets are the options for targets that are yet to come.
func refusedTargets() []option {
	return []option{
		{name: "--gio", refused: "targets over GIO are not supported; take the option out"},
		{name: "--s3-kms-grant", values: 1, refused: "give the rights in the key's policy; take the option out"},
	}
}
