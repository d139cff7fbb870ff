// Package config turns the environment into one validated value, or into a
// list of all that is wrong with it. The names are rancher-backup's.
package config

import (
	"time"

	"github.com/purser-backup/purser/internal/filter"
	"github.com/purser-backup/purser/internal/retention"
	"github.com/purser-backup/purser/internal/schedule"
	"github.com/purser-backup/purser/internal/secret"
)

// Config is what purser was told to do. Load makes it; nobody changes it
// afterwards, so it may be used by several goroutines. The names in brackets
// are the variables that the fields come from.
type Config struct {
	CronSchedule string            // as written [BACKUP_CRON_SCHEDULE]
	Schedule     schedule.Schedule // the same, parsed for the instance, or without one for the target
	Splay        time.Duration     // longest random delay of a scheduled run [BACKUP_SPLAY]
	Location     *time.Location    // by whose clock the schedule is read [TZ]

	TimeLimit   time.Duration // of a run, 0 is none [BACKUP_TIME_LIMIT]
	DumpWorkers int           // dumps at once [BACKUP_DUMP_WORKERS]

	CPUClass Class // [BACKUP_CPU_CLASS]
	IOClass  Class // [BACKUP_IO_CLASS]

	GoNoGo GoNoGo // who is asked before a run [BACKUP_GONOGO]

	ModuleDatabase  bool // dump databases and other services [BACKUP_MODULE_DATABASE]
	ModuleStack     bool // export stack definitions [BACKUP_MODULE_STACK]
	ModuleRancherDB bool // dump Rancher's own database [BACKUP_MODULE_RANCHER_DB]

	// URL is the target as the engine opens it: BACKUP_DUPLICITY_URL and
	// BACKUP_DUPLICITY_TARGET_PATH put together by JoinTarget. It is a secret
	// since it may hold a password. Empty if there is no target: CheckTarget.
	URL secret.String
	// More are the other targets of BACKUP_DUPLICITY_URL, which hold the same.
	More       []secret.String
	SourcePath string // absolute, cleaned [BACKUP_DUPLICITY_SOURCE_PATH]
	ArchiveDir string // absolute, cleaned [BACKUP_ARCHIVE_DIR]
	Archive    string // of a CommandLine: the archive directory itself, which duplicity uses too

	FullIfOlderThan        time.Duration // 0 is no limit [BACKUP_DUPLICITY_FULL_IF_OLDER_THAN]
	FullWhenGrown          bool          // [BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=auto]
	FullOn                 schedule.Days // a full backup is due at the beginning of each [BACKUP_FULL_ON]
	RemoveOlderThan        time.Duration // 0 is no limit [BACKUP_DUPLICITY_REMOVE_OLDER_THAN]
	RemoveAllButNFull      int           // 0 is no limit [BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL]
	RemoveAllIncOfButNFull int           // 0 is no limit [BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL]
	VolumeSize             int64         // bytes [BACKUP_DUPLICITY_VOLSIZE, in MiB]
	EncryptKeys            []string      // [BACKUP_DUPLICITY_ENCRYPT_KEY], and --encrypt-key in the options
	HiddenKeys             []string      // --hidden-encrypt-key in the options
	SignKey                string        // [BACKUP_DUPLICITY_SIGN_KEY], or --sign-key in the options
	Selection              []Rule        // what of the source is backed up, in order, from the options
	Filter                 filter.Filter // what of the source is left out before that [BACKUP_FILTER, BACKUP_FILTER_SETS, BACKUP_EXCLUDE]
	Passphrase             secret.String // [PASSPHRASE]
	SignPassphrase         secret.String // [SIGN_PASSPHRASE]
	NoEncryption           bool          // --no-encryption is in [BACKUP_DUPLICITY_OPTIONS]
	Prefixes               Prefixes      // of the objects' names, from the options
	Retries                int           // --num-retries in them, 0 if not given
	RetryDelay             time.Duration // --backend-retry-delay in them, 0 if not given

	Retention    retention.Policy // keeps what the limits above would delete [BACKUP_RETENTION]
	RetentionMin int              // so many of the newest sets always stay [BACKUP_RETENTION_MIN]
	Holds        []time.Time      // restore points that stay [BACKUP_RETENTION_HOLD]

	// Profiles are backed up and kept each for itself; Schedule is then that of
	// all of them. Without any, the target is one repository [BACKUP_PROFILES, BACKUP_RETENTION].
	Profiles []Profile
	Profile  string          // whose configuration this is, empty for that of the whole
	roots    []secret.String // of a profile: the whole targets

	ServiceSecrets string // directory of secrets that are bound to services, or empty [BACKUP_SERVICE_SECRETS]

	Instance    string        // empty: the daemon finds one [BACKUP_INSTANCE]
	Scope       string        // [BACKUP_SCOPE]
	StaleAfter  time.Duration // [BACKUP_STALE_AFTER]
	Listen      string        // host:port, or empty [BACKUP_LISTEN]
	ListenToken secret.String // set where Listen is [BACKUP_LISTEN_TOKEN]

	LiveKeep     int  // so many of the newest sets stay in a place nearby; 0 is no such place [BACKUP_LIVE_KEEP]
	UploadLatest bool // send the newest set too, to the targets [BACKUP_UPLOAD_LATEST]

	BandwidthLimit     Bandwidth // [BACKUP_BWLIMIT]
	TargetRequireMount bool      // [BACKUP_TARGET_REQUIRE_MOUNT]
	Debug              bool      // [DEBUG]

	Rancher     Rancher
	Docker      Docker
	Credentials Credentials
	Target      Target // from the options
	Programs    Programs

	// Notes tell of settings that were read and have no effect. They belong in
	// the log of a start.
	Notes []string

	Notices Notices

	settings []Setting
	secrets  []secret.String // all that were given, for Scrub

	filterRules, filterSets, filterExclude string // until they are read together
	profileText                            string // likewise
}

// Rancher says how to reach a Rancher 1.x server and its database.
// BACKUP_RANCHER_API_URL, _KEY and _SECRET win, each for itself, over
// CATTLE_URL, CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY, which Rancher's agent
// sets, or CATTLE_ENVIRONMENT_ACCESS_KEY and so on; with rancher-backup it was the other way round.
type Rancher struct {
	URL       string
	AccessKey string
	SecretKey secret.String
	DB        RancherDB
}

// Known reports whether there is a server to ask.
func (r Rancher) Known() bool { return r.URL != "" && r.AccessKey != "" && !r.SecretKey.IsZero() }

// RancherDB is Rancher's MySQL database [BACKUP_RANCHER_DB_HOST and so on].
type RancherDB struct {
	Host     string
	Port     int
	User     string
	Password secret.String
	Name     string
}

// Docker is passed on to Docker's client as it is [DOCKER_HOST and so on].
type Docker struct {
	Host       string
	TLSVerify  string // anything but empty turns it on, as with Docker's client
	CertPath   string
	APIVersion string
}

// Credentials are for targets, under the names that duplicity reads.
type Credentials struct {
	FTPPassword        secret.String // of any target that has a password, not only FTP
	RsyncPassword      secret.String // of rsync's daemon
	AWSAccessKeyID     string
	AWSSecretAccessKey secret.String
	AWSSessionToken    secret.String
	AWSRegion          string // [AWS_REGION, else AWS_DEFAULT_REGION]
	AWSProfile         string // in the file of credentials
	AWSCredentialsFile string // [AWS_SHARED_CREDENTIALS_FILE]
	AWSCAFile          string // of the authorities that S3 is checked by [AWS_CA_BUNDLE]
}

// Programs says how those are run that some targets need.
type Programs struct {
	RsyncImage  string                   // empty: on this machine [BACKUP_RSYNC_IMAGE]
	RcloneImage string                   // likewise [BACKUP_RCLONE_IMAGE]
	Rclone      map[string]secret.String // rclone's own variables, by name
}

// Setting is a variable, its value, and where that came from.
type Setting struct {
	Name   string // canonical
	Value  string // as written; "[redacted]" for a secret, and without the password for a URL
	Origin Origin
}

// Settings lists all variables in the order of the documentation.
func (c *Config) Settings() []Setting {
	return append([]Setting(nil), c.settings...)
}

// JoinTarget puts the target path behind the URL as rancher-backup did: one
// string behind the other, with no slash added, dropped or folded. So the
// default path "/" turns ftp://me@host into ftp://me@host/, file:///x into
// file:///x/ and s3://bucket/p into s3://bucket/p/; the URL file:// with the
// path /x is file:///x. The string matters to the byte: duplicity names its
// archive directory by its MD5.
func JoinTarget(url, path string) string { return url + path }

// Prefixes are those of the names of objects: all of them, and those of a kind.
type Prefixes struct{ All, Volume, Manifest, Signatures string }

// Rule is one of duplicity's options that choose files, for example
// "--exclude" with a pattern.
type Rule struct{ Option, Value string }

// CheckTarget tells why this configuration can't be used to back up or to read
// backups: there is no target. The error is an *Error. Commands that use no target need not ask.
func (c *Config) CheckTarget() error {
	if !c.URL.IsZero() {
		return nil
	}
	return &Error{Faults: []*Fault{{Name: varURL, Err: errUnset, hint: "set it to the place for the backups, such as file:///path"}}}
}
