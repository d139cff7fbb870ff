package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/pgp"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/secret"
)

// Options say how a repository is read and written.
type Options struct {
	// ArchiveDir is the base of purser's local state (BACKUP_ARCHIVE_DIR). Below
	// it, archive/NAME is the archive directory in duplicity's layout, state/NAME
	// purser's own notes on the target, and spool holds volumes on their way.
	ArchiveDir string
	// Archive is the archive directory itself, where a duplicity beside uses it
	// too. Empty is the one below ArchiveDir.
	Archive string
	// Passphrase encrypts what is written and decrypts what is read; with
	// EncryptKeys it unlocks secret keys.
	Passphrase secret.String
	// EncryptKeys and HiddenKeys are the public keys that objects are encrypted
	// to: by id, fingerprint, mail or text of a user id. The ids of hidden ones
	// don't show in the objects.
	EncryptKeys, HiddenKeys []string
	// SignKey signs each object; restore and verify then insist on its signature.
	SignKey string
	// SignPassphrase unlocks SignKey; if it is empty, Passphrase does.
	SignPassphrase secret.String
	// KeyDir holds OpenPGP keys in any form that GnuPG leaves in its folder.
	KeyDir string
	// NoEncryption writes a new repository in the clear.
	NoEncryption bool
	// VolumeSize is the number of plain bytes after which a volume is cut.
	VolumeSize int64
	// Volumes is how many volumes are built or uploaded at a time; it bounds the
	// spool. 0 is 3.
	Volumes int
	// Prefixes go before the names of all objects.
	Prefixes Prefixes
	// Hostname and Localdir are recorded in the manifests of a new chain.
	Hostname, Localdir string
	Now                func() time.Time
	Rand               io.Reader
	// Warn takes what the user should know although the work goes on; the
	// arguments are key and value pairs as in log/slog, and like those of a
	// slog.Logger its calls may come from several goroutines at once.
	Warn func(msg string, args ...any)
}

// A Repository is a target with its archive directory. Its methods may be
// called one after the other; of two processes only one can write.
type Repository struct {
	store   *places
	opt     Options
	keys    *pgp.Keyring
	archive *archiveDir
	spool   string
}

// Open prepares the local directories. It doesn't touch the target.
func Open(ctx context.Context, store *storage.Store, o Options) (*Repository, error) {
	return OpenPlaces(ctx, []Place{{Store: store, URL: store.URL(), ID: store.ID()}}, o)
}

// OpenPlaces is Open for a repository that lies in several places, the nearest
// first; the first target names the archive directory. At least one place has a
// Store.
func OpenPlaces(_ context.Context, list []Place, o Options) (*Repository, error) {
	if o.VolumeSize <= 0 {
		return nil, fmt.Errorf("volume size %d is not positive", o.VolumeSize)
	}
	r := &Repository{store: newPlaces(list, o.Prefixes, o.Warn), opt: o, spool: filepath.Join(o.ArchiveDir, "spool")}
	first := list[slices.IndexFunc(list, func(p Place) bool { return !p.near() })]
	r.archive = &archiveDir{
		dir:      filepath.Join(o.ArchiveDir, "archive", first.ID),
		state:    filepath.Join(o.ArchiveDir, "state", first.ID+o.Prefixes.suffix()),
		prefixes: o.Prefixes,
	}
	if o.Archive != "" {
		r.archive.dir = o.Archive
	}
	var err error
	if r.keys, err = pgp.ReadKeyring(o.KeyDir); err != nil {
		return nil, err
	}
	for _, problem := range r.keys.Problems() {
		o.Warn("key file passed over", "error", problem)
	}
	for _, dir := range []string{r.archive.dir, r.archive.state, r.spool} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, withHint(fmt.Errorf("create archive directory: %w", err),
				"set BACKUP_ARCHIVE_DIR or --archive-dir to a directory that purser may write to")
		}
	}
	return r, r.store.openRecord(r.archive.state)
}

// Close releases the store.
func (r *Repository) Close() error { return r.store.Close() }

// Collection lists what the target holds.
func (r *Repository) Collection(ctx context.Context) (Collection, error) {
	c, err := r.collection(ctx)
	if err != nil {
		return Collection{}, err
	}
	return *c, nil
}

func (r *Repository) collection(ctx context.Context) (*Collection, error) {
	objects, err := r.store.List(ctx)
	if err != nil {
		return nil, err
	}
	return newCollection(objects, r.opt.Prefixes), nil
}

// setsAt returns the sets that make up the state at t, or ErrNoBackup, and the
// sets up to t that are newer and hang in the air.
func (r *Repository) setsAt(ctx context.Context, t time.Time) (sets, torn []Set, err error) {
	c, err := r.collection(ctx)
	if err != nil {
		return nil, nil, err
	}
	sets = c.at(t)
	switch {
	case len(sets) > 0:
		end := sets[len(sets)-1].Time
		for _, s := range c.Orphans {
			if s.Time.After(end) && (t.IsZero() || !s.Time.After(t)) {
				torn = append(torn, s)
			}
		}
		if len(torn) > 0 {
			r.opt.Warn("newer backups can't be restored, since one that they build on is missing",
				"missing", torn[0].Start.Format(time.RFC3339), "newest", torn[len(torn)-1].Time.Format(time.RFC3339), "taken", end.Format(time.RFC3339))
		}
		return sets, torn, nil
	case len(c.Chains) > 0:
		return nil, nil, withHint(fmt.Errorf("%w at or before %s in %s", ErrNoBackup, t.Format(time.RFC3339), r.store.URL()),
			"the oldest backup there is of "+c.oldest().In(t.Location()).Format(time.RFC3339))
	}
	if len(c.Orphans) > 0 {
		return nil, nil, withHint(fmt.Errorf("%w in %s: the full set is missing that its %d increments build on", ErrNoBackup, r.store.URL(), len(c.Orphans)),
			"bring the objects of that set back, or restore from another target")
	}
	return nil, nil, withHint(fmt.Errorf("%w in %s", ErrNoBackup, r.store.URL()),
		"check the URL and the target path; `purser sets` lists what is there")
}

// fetch copies a stored object into an anonymous spool file, positioned at its
// start, and returns it with its hashes.
func (r *Repository) fetch(ctx context.Context, name object) (*os.File, *digests, error) {
	return r.fetchGood(ctx, name, newDigests, func(*digests) error { return nil })
}

// fetchGood is fetch of the nearest copy that can be read and is what good says
// of the hashes that are wanted.
func (r *Repository) fetchGood(ctx context.Context, name object, wanted func() *digests, good func(*digests) error) (*os.File, *digests, error) {
	var f *os.File
	var d *digests
	err := r.tryHolders(ctx, name, func(one *place) (err error) {
		d = wanted()
		if f, err = r.fetchFrom(ctx, one, name, d); err == nil {
			if err = good(d); err != nil {
				f.Close()
			}
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return f, d, nil
}

// tryHolders calls do for one place after the other until it succeeds. A place
// that can't be read, while another can, is let go of.
func (r *Repository) tryHolders(ctx context.Context, name object, do func(*place) error) error {
	var failed error
	away := map[*place]error{}
	for _, one := range r.store.holders(name.key) {
		err := do(one)
		var damaged *CorruptError
		switch {
		case err == nil:
			for other, why := range away {
				r.store.drop(other, why)
			}
			return nil
		case ctx.Err() != nil:
			return err
		case errors.As(err, &damaged):
			if !r.store.single() {
				r.opt.Warn("an object is not good, looking for it in another target", "target", one.URL, "error", err)
			}
			failed = cmp.Or(failed, err)
		default:
			if !errors.Is(err, fs.ErrPermission) {
				away[one] = err
			}
			if failed == nil || errors.As(failed, &damaged) {
				failed = err
			}
		}
	}
	if failed == nil {
		failed = errors.Join(r.store.failures()...)
	}
	return failed
}

// fetchFrom copies an object into an anonymous spool file, positioned at its
// start, and to w.
func (r *Repository) fetchFrom(ctx context.Context, one *place, name object, w io.Writer) (*os.File, error) {
	src, err := one.Store.Get(ctx, name.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &CorruptError{Object: name.String(), Err: errors.New("missing on the target")}
	}
	if err != nil {
		return nil, err
	}
	defer src.Close()
	f, err := r.spoolFile()
	if err != nil {
		return nil, err
	}
	if _, err = io.CopyBuffer(io.MultiWriter(f, w), src, make([]byte, 256<<10)); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("fetch %s: %w", name, err)
	}
	return f, nil
}

// spoolFile returns a file without a name: it vanishes with its last user,
// however that ends.
func (r *Repository) spoolFile() (*os.File, error) {
	f, err := os.OpenFile(r.spool, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err == nil {
		return f, nil
	}
	// Some file systems can't make a file without a name.
	f, err = os.CreateTemp(r.spool, "volume-")
	if err != nil {
		return nil, fmt.Errorf("create spool file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("unlink spool file: %w", err)
	}
	return f, nil
}

// manifest returns the manifest of a set as the target has it. A backup to
// public keys takes the copy in the archive directory, and so does one that may
// not read the target.
func (r *Repository) manifest(ctx context.Context, c *codec, s *Set) (*format.Manifest, error) {
	name := *s.manifest
	b, err := r.fetchManifest(ctx, c, name)
	if (isWrongKey(err) && len(c.keys) > 0 || errors.Is(err, fs.ErrPermission)) && r.archive.has(name.Name) {
		b, err = r.archive.readManifest(name.Name)
	}
	if err != nil {
		return nil, err
	}
	m, err := format.ParseManifest(b)
	if err != nil {
		return nil, &CorruptError{Object: name.String(), Err: err}
	}
	return m, s.namesAllOf(m)
}

// fetchManifest reads a manifest from the target. A second call for the same
// one is free.
func (r *Repository) fetchManifest(ctx context.Context, c *codec, name object) ([]byte, error) {
	if c.manifest.key == name.key {
		return c.manifest.plain, nil
	}
	var b bytes.Buffer
	err := r.tryHolders(ctx, name, func(one *place) error {
		b.Reset()
		f, err := r.fetchFrom(ctx, one, name, io.Discard)
		if err != nil {
			return err
		}
		defer f.Close()
		plain, err := c.decode(f, name)
		if err != nil {
			return err
		}
		if _, err := b.ReadFrom(plain); err != nil {
			return err
		}
		if r.store.single() {
			return nil
		}
		if _, err := format.ParseManifest(b.Bytes()); err != nil {
			return &CorruptError{Object: name.String(), Err: err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.manifest.key, c.manifest.plain = name.key, b.Bytes()
	return b.Bytes(), nil
}

func isWrongKey(err error) bool { return errors.Is(err, pgp.ErrWrongKey) }
