package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
	"github.com/purser-backup/purser/internal/secret"
)

const (
	// configDir is where the user's index and templates are, as with
	// rancher-backup, and a file of settings.
	configDir    = "/opt/backup/config"
	keyDir       = "/opt/backup/.gnupg" // likewise
	settingsFile = "purser.yml"
)

// The log levels of commands that only look, and of those that work.
const (
	quiet     = slog.LevelWarn
	talkative = slog.LevelInfo
)

// config reads the environment and the global flags, once.
func (inv *invocation) config() (*config.Config, error) {
	if inv.cfg != nil {
		return inv.cfg, nil
	}
	overrides, err := inv.overrides()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(inv.env, overrides, filepath.Join(inv.configDir, settingsFile))
	if err != nil {
		return nil, err
	}
	inv.cfg = cfg
	return cfg, nil
}

// overrides are the flags that stand for a variable, by its name. Paths are
// relative to the working directory here, unlike in the environment.
func (inv *invocation) overrides() (map[string]string, error) {
	given := map[string]string{}
	if inv.global.url != "" {
		given["BACKUP_DUPLICITY_URL"] = inv.global.url
	}
	for name, path := range map[string]string{
		"BACKUP_DUPLICITY_SOURCE_PATH": inv.global.source, "BACKUP_ARCHIVE_DIR": inv.global.archiveDir,
	} {
		if path == "" {
			continue
		}
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("make %s absolute: %w", path, err)
		}
		given[name] = absolute
	}
	return given, nil
}

// location is the time zone of the user. The configuration has been read
// before anything is shown.
func (inv *invocation) location() *time.Location {
	if inv.cfg != nil && inv.cfg.Location != nil {
		return inv.cfg.Location
	}
	return time.Local
}

// log returns the command's log, with the level that was asked for or else
// with the command's usual one.
func (inv *invocation) log(usual slog.Level) (*slog.Logger, error) {
	level := usual
	switch {
	case inv.global.logLevel != "":
		var err error
		if level, err = parseLevel(inv.global.logLevel); err != nil {
			return nil, err
		}
	case inv.cfg != nil && inv.cfg.Debug:
		level = slog.LevelDebug
	}
	return slog.New(newLogHandler(inv.stderr, level, inv.scrub)), nil
}

// scrub takes the secrets of the configuration out of a text, once that is read.
func (inv *invocation) scrub(text string) string {
	if inv.cfg == nil {
		return text
	}
	return inv.cfg.Scrub(text)
}

// options are what the daemon package works with.
func (inv *invocation) options(usual slog.Level) (daemon.Options, error) {
	cfg, err := inv.config()
	if err != nil {
		return daemon.Options{}, err
	}
	log, err := inv.log(usual)
	if err != nil {
		return daemon.Options{}, err
	}
	now := func() time.Time { return inv.now().In(inv.location()) }
	return daemon.Options{Config: cfg, Log: log, Now: now, Rand: rand.Reader, Recipes: inv.configDir, KeyDir: inv.keyDir}, nil
}

// daemon returns the parts put together, for a command that needs no key.
func (inv *invocation) daemon(usual slog.Level) (*daemon.Daemon, error) {
	o, err := inv.options(usual)
	if err != nil {
		return nil, err
	}
	for _, note := range o.Config.Notes {
		o.Log.Info("setting without effect", "note", note)
	}
	o.NoRecipes = inv.noRecipes
	return daemon.New(o)
}

// daemonWithKey is daemon for a command that writes to the target.
func (inv *invocation) daemonWithKey(ctx context.Context, usual slog.Level) (*daemon.Daemon, error) {
	d, err := inv.daemon(usual)
	if err != nil {
		return nil, err
	}
	asked, err := inv.completeKey(ctx, true)
	if err != nil || !asked {
		return d, err
	}
	return inv.daemon(usual)
}

// daemonWithReadKey is daemon for a command that reads what is encrypted.
func (inv *invocation) daemonWithReadKey(ctx context.Context, usual slog.Level) (*daemon.Daemon, error) {
	if _, err := inv.completeKey(ctx, false); err != nil {
		return nil, err
	}
	return inv.daemon(usual)
}

// openRepository opens the target for a command that reads it.
func (inv *invocation) openRepository(ctx context.Context) (*engine.Repository, error) {
	o, err := inv.options(quiet)
	if err != nil {
		return nil, err
	}
	return daemon.OpenRepository(ctx, o)
}

// openReadable is openRepository for a command that reads what is encrypted.
func (inv *invocation) openReadable(ctx context.Context) (*engine.Repository, error) {
	if _, err := inv.completeKey(ctx, false); err != nil {
		return nil, err
	}
	return inv.openRepository(ctx)
}

// url is the target, or all of them, without passwords.
func (inv *invocation) url() string { return daemon.URLs(inv.cfg) }

// completeKey asks for the passphrase if none is configured, the command needs
// one, and there is a terminal to ask on. It reports whether it got one.
func (inv *invocation) completeKey(ctx context.Context, write bool) (bool, error) {
	cfg, err := inv.config()
	if err != nil || !cfg.Passphrase.IsZero() || (cfg.NoEncryption || len(cfg.EncryptKeys)+len(cfg.HiddenKeys) > 0) && write || !inv.onTerminal() {
		return false, err
	}
	o, err := inv.options(quiet)
	if err != nil {
		return false, err
	}
	repo, err := daemon.OpenRepository(ctx, o.Profiles()[0]) // all have the same key
	if err != nil {
		return false, err
	}
	c, err := repo.Collection(ctx)
	if err = join(err, repo.Close()); err != nil {
		return false, err
	}
	fresh := len(c.Chains) == 0
	if fresh && !write || !fresh && !newest(c).Encrypted {
		return false, nil
	}
	pass, err := inv.askPassphrase(ctx, fresh)
	if err != nil || pass.IsZero() {
		return false, err
	}
	complete := *cfg
	complete.Passphrase = pass
	inv.cfg = &complete
	return true, nil
}

func newest(c engine.Collection) engine.Set {
	sets := c.Chains[len(c.Chains)-1].Sets
	return sets[len(sets)-1]
}

var errMismatch = errors.New("the two passphrases differ")

// askPassphrase reads a passphrase from the terminal, a new one twice. Nothing
// is echoed; the prompt goes to stderr.
func (inv *invocation) askPassphrase(ctx context.Context, fresh bool) (secret.String, error) {
	if !fresh {
		return inv.readPassphrase(ctx, "passphrase of the backup: ")
	}
	first, err := inv.readPassphrase(ctx, "passphrase for the new repository: ")
	if err != nil || first.IsZero() {
		return first, err
	}
	second, err := inv.readPassphrase(ctx, "the same again: ")
	if err != nil {
		return first, err
	}
	if !first.Equal(second) {
		return first, &usageError{err: errMismatch, hint: "nothing was written; try again"}
	}
	return first, nil
}

func (inv *invocation) readPassphrase(ctx context.Context, prompt string) (secret.String, error) {
	line, err := inv.readHidden(ctx, prompt)
	if err != nil {
		return secret.String{}, fmt.Errorf("read the passphrase from the terminal: %w", err)
	}
	return secret.New(line), nil
}
