package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/bug"
)

// BackupOptions choose what kind of set a backup writes.
type BackupOptions struct {
	// Full starts a new chain.
	Full bool
	// FullIfOlderThan starts a new chain when the newest full set is older; zero never does.
	FullIfOlderThan time.Duration
	// FullWhenGrown starts a new chain when the increments of the newest take more
	// than half of the bytes of its full set, or when it has 100 sets.
	FullWhenGrown bool
	// FullIfBefore starts a new chain when the newest full set is from before this
	// time; zero never does.
	FullIfBefore time.Time
	// Until ends the backup at the edge of a volume once this time has come, with
	// ErrTimeLimit; the next backup goes on from there. At least one volume is
	// stored before that. Zero never ends it.
	Until time.Time
	// Previous is a directory that may hold files as the newest set has them, each
	// under its path in the source. With one, the difference of a file consists of
	// the bytes that have changed, else of the blocks. The set's signatures tell
	// what of it is used, so a file may be missing or be another one.
	Previous string
}

// ErrTimeLimit says that a backup has ended early, and that the next one has to
// go on with it.
var ErrTimeLimit = errors.New("the time limit came before the end of the backup")

// A BackupResult tells what a backup did.
type BackupResult struct {
	Set           Set  // what was written; zero if Unchanged
	Unchanged     bool // nothing differs from the newest set: no set was written
	Files         int  // regular files in the source
	New           int  // entries of each kind, of any type of object
	Changed       int
	Deleted       int
	SourceBytes   int64 // bytes in regular files of the source
	UploadedBytes int64 // bytes of all objects of the set
	// Unreadable names what could not be read, with the reason. Its previous
	// state is kept; the backup is incomplete.
	Unreadable []string
}

// A readError ends an attempt: a file of which a part is already archived
// could not be read to its end.
type readError struct {
	path string
	err  error
}

func (e *readError) Error() string { return fmt.Sprintf("read %s: %v", e.path, e.err) }
func (e *readError) Unwrap() error { return e.err }

// Backup stores the current state of src as a new set: an increment on the
// newest chain, or a full one where the options or the state of the repository
// ask for it. The set exists once Backup has returned without an error. A set
// that an earlier run left unfinished is completed first; what has changed
// since then follows as an increment. Errors are ErrLocked, ErrWrongKey,
// ErrNoEncryption, ErrForeignSet, those of the store, and those of local files.
func (r *Repository) Backup(ctx context.Context, src Source, o BackupOptions) (BackupResult, error) {
	unlock, err := r.archive.lock()
	if err != nil {
		return BackupResult{}, err
	}
	defer unlock()
	if err := r.level(ctx, o.Until); err != nil {
		return BackupResult{}, err
	}
	res, err := r.backupAll(ctx, src, o)
	if err != nil && ctx.Err() == nil && r.store.sendAtOnce(err) {
		res, err = r.backupAll(ctx, src, o)
	}
	if err != nil || !r.store.tiered() {
		return res, err
	}
	return res, r.level(ctx, o.Until)
}

// backupAll makes a set, or completes one, and one more of what has changed since.
func (r *Repository) backupAll(ctx context.Context, src Source, o BackupOptions) (BackupResult, error) {
	res, resumed, err := r.backup(ctx, src, o)
	if err != nil || !resumed {
		return res, err
	}
	// What has changed since the interruption is still to be stored.
	if r.timeUp(o.Until) {
		return res, ErrTimeLimit
	}
	since, _, err := r.backup(ctx, src, BackupOptions{Until: o.Until, Previous: o.Previous})
	return res.and(since), err
}

func (r *Repository) timeUp(until time.Time) bool {
	return !until.IsZero() && !r.opt.Now().Before(until)
}

// backup makes one set. It reports whether that was a resumed one. A file of
// the archive directory that turns out to be damaged is fetched again, and the
// set starts over.
func (r *Repository) backup(ctx context.Context, src Source, o BackupOptions) (res BackupResult, resumed bool, err error) {
	removed := map[string]bool{}
	for {
		res, resumed, err := r.tryBackup(ctx, src, o)
		var bad *badCopy
		if !errors.As(err, &bad) || removed[bad.path] {
			return res, resumed, err
		}
		removed[bad.path] = true
		r.opt.Warn("a file of the archive directory is damaged, it is fetched again", "error", bad)
		if err := os.Remove(bad.path); err != nil {
			return res, resumed, fmt.Errorf("remove damaged file from archive directory: %w", err)
		}
		if err := r.abandon(ctx); err != nil {
			return res, resumed, err
		}
	}
}

func (r *Repository) tryBackup(ctx context.Context, src Source, o BackupOptions) (res BackupResult, resumed bool, err error) {
	walk := startWalk(ctx, src, walkedEarly) // beside the plan, which waits for the target and for the key
	defer func() { walk.stop() }()
	p, err := r.plan(ctx, o)
	if err != nil {
		return BackupResult{}, false, err
	}
	if err := r.resumeOrAbandon(ctx, p); err != nil {
		return BackupResult{}, false, err
	}
	resumed = len(p.volumes) > 0
	again := func() {
		walk.stop()
		walk = startWalk(ctx, src, walkedAhead)
	}
	if len(p.base) == 0 || resumed {
		again()
	}
	unreadable := map[string]error{}
	for {
		res, err := r.write(ctx, p, walk, unreadable)
		var failed *readError
		switch {
		case errors.As(err, &failed):
			// What is in the volumes of this set can't be taken back, so it is
			// written again with the file left as the last good set has it.
			unreadable[failed.path] = failed.err
			p.volumes = nil
			r.opt.Warn("file can't be read to its end, starting the set again without it", "path", failed.path, "error", failed.err)
		case errors.Is(err, errResumePoint):
			p.volumes = before(p.volumes)
			r.opt.Warn("a file has changed since the backup was interrupted, going back to before it", "volumes", len(p.volumes))
		default:
			return res, resumed, err
		}
		if err := r.rewind(ctx, p); err != nil {
			return BackupResult{}, resumed, err
		}
		again()
	}
}

// and adds the result of a later set.
func (b BackupResult) and(later BackupResult) BackupResult {
	sum := later
	sum.UploadedBytes += b.UploadedBytes
	if later.Unchanged {
		sum.Set, sum.Unchanged = b.Set, false
	}
	sum.New += b.New
	sum.Changed += b.Changed
	sum.Deleted += b.Deleted
	return sum
}

// resumeOrAbandon continues the set that an earlier run has left unfinished,
// or removes its remains.
func (r *Repository) resumeOrAbandon(ctx context.Context, p *plan) error {
	n, err := r.archive.readNote()
	if err != nil {
		return err
	}
	reason, err := r.resume(ctx, p, n)
	if err != nil {
		return err
	}
	if len(p.volumes) > 0 {
		r.opt.Warn("continuing an interrupted backup", "time", p.set.Time.Format(time.RFC3339), "volumes", len(p.volumes))
		return nil
	}
	if reason != "" {
		r.opt.Warn("an interrupted backup can't be continued: "+reason, "time", time.Unix(n.Sets[0].Time, 0).UTC().Format(time.RFC3339))
	}
	return r.abandon(ctx)
}

// rewind removes from the target what the set under way has beyond p.volumes.
func (r *Repository) rewind(ctx context.Context, p *plan) error {
	c, err := r.collection(ctx)
	if err != nil {
		return err
	}
	s := c.incomplete(noteSet(p.set.key()))
	if s == nil {
		return nil
	}
	return r.removeBeyond(ctx, s, len(p.volumes))
}

// A plan is what is settled before the first byte is read.
type plan struct {
	base     []Set // the sets that an increment builds on; none for a full set
	newest   time.Time
	set      Set            // times only
	volumes  []volumeRecord // of an interrupted run, that are there already
	codec    *codec
	hostname string
	localdir string
	until    time.Time // when to end at the edge of a volume
	previous string
}

// plan decides between a full set and an increment and proves that the key
// fits, before anything is written.
func (r *Repository) plan(ctx context.Context, o BackupOptions) (*plan, error) {
	c, err := r.collection(ctx)
	if err != nil {
		return nil, err
	}
	encrypt := r.opt.encrypts()
	codec, err := r.newWriter()
	if err != nil {
		return nil, err
	}
	now := r.opt.Now()
	p := &plan{codec: codec, until: o.Until, previous: o.Previous, newest: c.newest, hostname: r.opt.Hostname, localdir: r.opt.Localdir}
	ahead, err := r.knowsNewer(c)
	if err != nil {
		return nil, err
	}
	if p.set.Time, err = r.setTime(ctx, now, later(c.newest, ahead)); err != nil {
		return nil, err
	}
	if err := r.checkKey(ctx, c, codec, encrypt); err != nil {
		return nil, err
	}
	if err := r.checkArchive(ctx, codec, c); err != nil {
		return nil, err
	}
	chain := c.newestChain()
	if !ahead.IsZero() || r.store.tornIn(chain) || wantsFull(chain, o, encrypt, now) {
		return p, nil
	}
	return p, r.continueChain(ctx, p, chain)
}

// knowsNewer is the time of the newest set in the archive directory, if none of
// the targets that can be reached holds one as new: it is in one that is away.
// An increment would then fork its chain, so a new one begins.
func (r *Repository) knowsNewer(c *Collection) (time.Time, error) {
	if len(r.store.unused()) == 0 {
		return time.Time{}, nil
	}
	var newest time.Time
	for i := range c.Chains { // an orphan builds on a set that is away
		newest = later(newest, c.Chains[i].End())
	}
	local, err := r.archive.manifests()
	if err != nil || len(local) == 0 || !local[len(local)-1].After(newest) {
		return time.Time{}, err
	}
	t := local[len(local)-1]
	r.opt.Warn("the newest set is only in a target that is away: a new chain begins", "set", t.Format(time.RFC3339))
	return t, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// setTime is the time of a set that starts now. Set times only ever increase,
// whatever the clock says. A set in the very second of the newest waits for the
// next one: duplicity doesn't see a set that is later than its own clock.
func (r *Repository) setTime(ctx context.Context, now, newest time.Time) (time.Time, error) {
	t, next := now.UTC().Truncate(time.Second), newest.Add(time.Second)
	if t.After(newest) {
		return t, nil
	}
	if t.Before(newest) {
		return next, nil
	}
	timer := time.NewTimer(next.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return next, nil
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

// checkKey proves that the passphrase opens what the repository holds, or that
// an unencrypted one is wanted.
func (r *Repository) checkKey(ctx context.Context, c *Collection, codec *codec, encrypt bool) error {
	chain := c.newestChain()
	if chain == nil {
		if encrypt || r.opt.NoEncryption {
			return nil
		}
		return withHint(fmt.Errorf("%w: %s", ErrNoEncryption, r.store.URL()),
			"set PASSPHRASE or PASSPHRASE_FILE, or BACKUP_DUPLICITY_ENCRYPT_KEY, or write in the clear with BACKUP_DUPLICITY_OPTIONS=--no-encryption")
	}
	last := &chain.Sets[len(chain.Sets)-1]
	if last.Encrypted && len(codec.keys) > 0 {
		return nil // a backup never needs the secret key
	}
	if !last.Encrypted && !encrypt && !r.opt.NoEncryption {
		r.opt.Warn("the repository is not encrypted; a passphrase would start a new, encrypted chain", "url", r.store.URL())
	}
	_, err := r.fetchManifest(ctx, codec, *last.manifest)
	var damaged *CorruptError
	if errors.As(err, &damaged) {
		return nil // the chain won't be continued
	}
	if errors.Is(err, fs.ErrPermission) {
		return r.checkUnread(last, err)
	}
	return err
}

// wantsFull reports whether the next set must be a full one: there is no chain,
// it was asked for, the newest full set is too old or its increments have grown
// too much, or encryption was turned on or off.
func wantsFull(chain *Chain, o BackupOptions, encrypt bool, now time.Time) bool {
	return chain == nil || o.Full || chain.Start().Before(o.FullIfBefore) ||
		o.FullIfOlderThan > 0 && now.Sub(chain.Start()) > o.FullIfOlderThan ||
		o.FullWhenGrown && chain.grown() ||
		encrypt != chain.Sets[len(chain.Sets)-1].Encrypted
}

// continueChain makes the plan an increment, unless the chain's metadata is
// damaged or volumes are missing: then a new chain is the only way to a backup
// that restores.
func (r *Repository) continueChain(ctx context.Context, p *plan, chain *Chain) error {
	err := r.cache(ctx, p.codec, chain.Sets)
	last := &chain.Sets[len(chain.Sets)-1]
	var m *format.Manifest
	for i := 0; i < len(chain.Sets) && err == nil; i++ {
		if m, err = r.manifest(ctx, p.codec, &chain.Sets[i]); err == nil {
			err = chain.Sets[i].holdsAllOf(m)
		}
	}
	var damaged *CorruptError
	if errors.As(err, &damaged) || isWrongKey(err) && len(p.codec.keys) > 0 {
		r.opt.Warn("the chain can't be continued, starting a new one", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	p.base, p.set.Start = chain.Sets, last.Time
	p.hostname, p.localdir = m.Hostname, m.Localdir
	return nil
}

// write takes what is walked and uploads one set. The stages run side by side:
// the walk, the comparison that writes the tar streams, and the volumes, each of
// which compresses, encrypts and uploads itself.
func (r *Repository) write(ctx context.Context, p *plan, walk *walk, unreadable map[string]error) (BackupResult, error) {
	g, gctx := errgroup.WithContext(ctx)
	w, err := r.newSetWriter(p, g)
	if err != nil {
		return BackupResult{}, err
	}
	defer w.sigs.file.Close()
	defer w.packed.drop()
	if w.previous = r.openPrevious(p.previous); w.previous != nil {
		defer w.previous.Close()
	}
	defer func() {
		if err := w.lease.release(ctx); err != nil && ctx.Err() == nil {
			r.opt.Warn("the lease on the target is left to run out", "error", err)
		}
	}()
	defer w.index.cancel()
	defer context.AfterFunc(gctx, walk.cancel)()
	g.Go(bug.Guard(walk.wait))
	ready := walk.entries
	if len(p.base) == 0 && w.from == nil { // else most files aren't opened at all
		ready = make(chan []Entry, 2)
		g.Go(bug.Guard(func() error { return openAhead(gctx, walk.entries, ready) }))
	}
	g.Go(bug.Guard(func() error { return w.compare(gctx, ready, unreadable) }))
	if err := g.Wait(); err != nil {
		return BackupResult{}, err
	}
	if w.count == 0 {
		w.res.Unchanged = true
		w.keepIndex()
		return w.res, r.archive.clearNote()
	}
	return w.commit(ctx)
}
