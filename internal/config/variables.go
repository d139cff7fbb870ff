package config

import (
	"math"
	"strings"

	"github.com/purser-backup/purser/internal/retention"
	"github.com/purser-backup/purser/internal/schedule"
	"github.com/purser-backup/purser/internal/secret"
)

// Names that the code speaks of; the others stand only in the table.
const (
	varURL             = "BACKUP_DUPLICITY_URL"
	varTargetPath      = "BACKUP_DUPLICITY_TARGET_PATH"
	varOptions         = "BACKUP_DUPLICITY_OPTIONS"
	varVolsize         = "BACKUP_DUPLICITY_VOLSIZE"
	varFullIfOlderThan = "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN"
	varFilter          = "BACKUP_FILTER"
	varFilterSets      = "BACKUP_FILTER_SETS"
	varExclude         = "BACKUP_EXCLUDE"
	varFullOn          = "BACKUP_FULL_ON"
	varRemoveAllButN   = "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL"
	varRemoveIncOfButN = "BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL"
	varEncryptKey      = "BACKUP_DUPLICITY_ENCRYPT_KEY"
	varSignKey         = "BACKUP_DUPLICITY_SIGN_KEY"
	varSourcePath      = "BACKUP_DUPLICITY_SOURCE_PATH"
	varArchiveDir      = "BACKUP_ARCHIVE_DIR"
	varCronSchedule    = "BACKUP_CRON_SCHEDULE"
	varModuleRancherDB = "BACKUP_MODULE_RANCHER_DB"
	varRancherDBHost   = "BACKUP_RANCHER_DB_HOST"
	varRancherURL      = "BACKUP_RANCHER_API_URL"
)

// variable is one row of the table of settings.
type variable struct {
	name   string // canonical
	def    string // set where nothing else is; "" leaves the field zero
	secret bool   // never shown
	url    bool   // shown without its password
	// set validates a value and stores it. The error says what is wrong, without
	// the value, and has a hint. A joined error is as many faults.
	set func(v string) error
}

// variables is the table of all settings, bound to the fields of c. The order
// is the documentation's.
func variables(c *Config) []variable {
	var list []variable
	for _, part := range [][]variable{
		runVariables(c), duplicityVariables(c), retentionVariables(c), placeVariables(c), noticeVariables(c), rancherVariables(c), foreignVariables(c),
	} {
		list = append(list, part...)
	}
	return list
}

func runVariables(c *Config) []variable {
	return []variable{
		{name: varCronSchedule, def: "0 0 0 * * *", set: func(v string) (err error) {
			c.CronSchedule = v
			c.Schedule, err = schedule.Parse(v, "") // derive says for whom
			return err
		}},
		{name: "BACKUP_SPLAY", set: to(&c.Splay, parseInterval)},
		{name: "BACKUP_TIME_LIMIT", set: to(&c.TimeLimit, parseInterval)},
		{name: "BACKUP_DUMP_WORKERS", def: "2", set: count(&c.DumpWorkers, 64)},
		{name: "BACKUP_CPU_CLASS", def: string(Normal), set: to(&c.CPUClass, parseClass)},
		{name: "BACKUP_IO_CLASS", def: string(Normal), set: to(&c.IOClass, parseClass)},
		{name: "BACKUP_GONOGO", url: true, set: to(&c.GoNoGo, parseGoNoGo)},
		{name: "TZ", set: to(&c.Location, parseLocation)},
		{name: "BACKUP_MODULE_DATABASE", def: "true", set: to(&c.ModuleDatabase, parseBool)},
		{name: "BACKUP_MODULE_STACK", def: "true", set: to(&c.ModuleStack, parseBool)},
		{name: varModuleRancherDB, set: to(&c.ModuleRancherDB, parseBool)}, // by default, whether the host is set
	}
}

func duplicityVariables(c *Config) []variable {
	return []variable{
		// The URL comes first, the path is put behind it: see JoinTarget.
		{name: varURL, url: true, set: targets(c)},
		{name: varTargetPath, def: "/", set: text(c.joinTargets)},
		{name: varSourcePath, def: "/backup", set: to(&c.SourcePath, parsePath)},
		{name: varFilter, set: raw(&c.filterRules)}, // the three are read together, by derive
		{name: varFilterSets, set: raw(&c.filterSets)},
		{name: varExclude, set: raw(&c.filterExclude)},
		{name: varFullIfOlderThan, def: "7D", set: c.setFullIfOlderThan},
		{name: varFullOn, set: func(v string) (err error) {
			c.FullOn, err = schedule.ParseDays(v, "") // derive says for whom
			return err
		}},
		{name: "BACKUP_DUPLICITY_REMOVE_OLDER_THAN", set: to(&c.RemoveOlderThan, parseInterval)},
		{name: varRemoveAllButN, def: "3", set: count(&c.RemoveAllButNFull, math.MaxInt32)},
		{name: varRemoveIncOfButN, def: "1", set: count(&c.RemoveAllIncOfButNFull, math.MaxInt32)},
		{name: varVolsize, def: "200", set: func(v string) error {
			n, err := parseCount(v, 1<<20) // 1 TiB
			c.VolumeSize = n << 20
			return err
		}},
		{name: varEncryptKey, set: text(func(v string) { c.EncryptKeys = append(c.EncryptKeys, v) })},
		{name: varSignKey, set: text(func(v string) { c.SignKey = v })},
		{name: "PASSPHRASE", secret: true, set: hide(&c.Passphrase)},
		{name: "SIGN_PASSPHRASE", secret: true, set: hide(&c.SignPassphrase)},
		{name: varOptions, set: func(v string) error { return parseOptions(c, v) }},
	}
}

func retentionVariables(c *Config) []variable {
	return []variable{
		{name: varProfiles, set: raw(&c.profileText)}, // derive reads it
		{name: varRetention, set: to(&c.Retention, retention.Parse)},
		{name: "BACKUP_RETENTION_MIN", def: "1", set: count(&c.RetentionMin, math.MaxInt32)},
		// The time zone comes earlier in the table.
		{name: "BACKUP_RETENTION_HOLD", set: func(v string) (err error) {
			if c.Location == nil { // it was faulty
				return nil
			}
			c.Holds, err = retention.ParseHolds(v, c.Location)
			return err
		}},
	}
}

func placeVariables(c *Config) []variable {
	return []variable{
		{name: varArchiveDir, def: "/var/lib/purser", set: to(&c.ArchiveDir, parsePath)},
		{name: "BACKUP_SERVICE_SECRETS", set: to(&c.ServiceSecrets, parsePath)},
		{name: "BACKUP_INSTANCE", set: to(&c.Instance, parseInstance)},
		{name: "BACKUP_SCOPE", def: "all", set: text(func(v string) { c.Scope = v })},
		{name: "BACKUP_STALE_AFTER", def: "30D", set: to(&c.StaleAfter, parseInterval)},
		{name: varListen, set: to(&c.Listen, parseListen)},
		{name: varListenToken, secret: true, set: hide(&c.ListenToken)},
		{name: "BACKUP_BWLIMIT", set: to(&c.BandwidthLimit, parseBandwidth)},
		{name: varLiveKeep, set: count(&c.LiveKeep, 1000)},
		{name: varUploadLatest, def: "true", set: to(&c.UploadLatest, parseBool)},
		{name: "BACKUP_TARGET_REQUIRE_MOUNT", def: "false", set: to(&c.TargetRequireMount, parseBool)},
		{name: "BACKUP_RSYNC_IMAGE", set: to(&c.Programs.RsyncImage, parseImage)},
		{name: "BACKUP_RCLONE_IMAGE", set: to(&c.Programs.RcloneImage, parseImage)},
		{name: "DEBUG", def: "false", set: to(&c.Debug, parseBool)},
	}
}

func rancherVariables(c *Config) []variable {
	r := &c.Rancher
	return []variable{
		// Rancher's agent puts CATTLE_* into a container; what a user wrote comes
		// later and so wins. With two roles it names its keys after them.
		{name: "CATTLE_ENVIRONMENT_ACCESS_KEY", set: text(func(v string) { r.AccessKey = v })},
		{name: "CATTLE_ENVIRONMENT_SECRET_KEY", secret: true, set: hide(&r.SecretKey)},
		{name: "CATTLE_URL", set: to(&r.URL, parseWebURL), url: true},
		{name: "CATTLE_ACCESS_KEY", set: text(func(v string) { r.AccessKey = v })},
		{name: "CATTLE_SECRET_KEY", secret: true, set: hide(&r.SecretKey)},
		{name: varRancherURL, set: to(&r.URL, parseWebURL), url: true},
		{name: "BACKUP_RANCHER_API_KEY", set: text(func(v string) { r.AccessKey = v })},
		{name: "BACKUP_RANCHER_API_SECRET", secret: true, set: hide(&r.SecretKey)},
		{name: varRancherDBHost, set: to(&r.DB.Host, parseHost)},
		{name: "BACKUP_RANCHER_DB_PORT", def: "3306", set: count(&r.DB.Port, math.MaxUint16)},
		{name: "BACKUP_RANCHER_DB_USER", def: "rancher", set: text(func(v string) { r.DB.User = v })},
		{name: "BACKUP_RANCHER_DB_PASSWORD", secret: true, set: hide(&r.DB.Password)},
		{name: "BACKUP_RANCHER_DB_NAME", def: "rancher", set: text(func(v string) { r.DB.Name = v })},
	}
}

func foreignVariables(c *Config) []variable {
	d, k := &c.Docker, &c.Credentials
	return []variable{
		{name: "DOCKER_HOST", set: text(func(v string) { d.Host = v })},
		{name: "DOCKER_TLS_VERIFY", set: text(func(v string) { d.TLSVerify = v })},
		{name: "DOCKER_CERT_PATH", set: text(func(v string) { d.CertPath = v })},
		{name: "DOCKER_API_VERSION", set: text(func(v string) { d.APIVersion = v })},
		{name: "FTP_PASSWORD", secret: true, set: hide(&k.FTPPassword)},
		{name: "RSYNC_PASSWORD", secret: true, set: hide(&k.RsyncPassword)},
		{name: "SSH_AUTH_SOCK", set: text(func(v string) {
			if c.Target.SSH.AgentSocket == "" { // an option says more
				c.Target.SSH.AgentSocket = v
			}
		})},
		{name: "AWS_ACCESS_KEY_ID", set: text(func(v string) { k.AWSAccessKeyID = v })},
		{name: "AWS_SECRET_ACCESS_KEY", secret: true, set: hide(&k.AWSSecretAccessKey)},
		{name: "AWS_SESSION_TOKEN", secret: true, set: hide(&k.AWSSessionToken)},
		{name: "AWS_DEFAULT_REGION", set: text(func(v string) { k.AWSRegion = v })},
		{name: "AWS_REGION", set: text(func(v string) { k.AWSRegion = v })},
		{name: "AWS_PROFILE", set: text(func(v string) { k.AWSProfile = v })},
		{name: "AWS_SHARED_CREDENTIALS_FILE", set: text(func(v string) { k.AWSCredentialsFile = v })},
		{name: "AWS_CA_BUNDLE", set: text(func(v string) { k.AWSCAFile = v })},
	}
}

// to makes a set that parses into a field.
func to[T any](field *T, parse func(string) (T, error)) func(string) error {
	return func(v string) (err error) {
		*field, err = parse(v)
		return err
	}
}

func count(field *int, limit int64) func(string) error {
	return func(v string) error {
		n, err := parseCount(v, limit)
		*field = int(n)
		return err
	}
}

func hide(field *secret.String) func(string) error {
	return func(v string) error {
		*field = secret.New(v)
		return nil
	}
}

// targets makes a set that parses the URLs of targets.
func targets(c *Config) func(string) error {
	return func(v string) error {
		var good string
		if err := text(func(v string) { good = v })(v); err != nil {
			return err
		}
		return c.setTargets(good)
	}
}

// raw makes a set for what has several lines.
func raw(field *string) func(string) error {
	return func(v string) error {
		*field = v
		return nil
	}
}

// text makes a set for what is taken as it stands, less control characters,
// which no such value can have: they come from a broken file or quoting.
func text(store func(string)) func(string) error {
	return func(v string) error {
		if strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return withHint("take line breaks, tabs and other control characters out", "it has a control character")
		}
		store(v)
		return nil
	}
}
