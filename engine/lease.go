package engine

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/purser-backup/purser/internal/atomicfile"
	"github.com/purser-backup/purser/internal/bug"
)

// A lease keeps other hosts from writing to the target: an object, under a name
// that duplicity ignores, that says who writes and until when. It is taken when
// the first object is about to change, renewed while the work goes on, and runs
// out by itself when its holder dies. Where the credentials don't allow one,
// the check before the manifest (setWriter.alone) is what is left.
type lease struct {
	repo *Repository
	id   string // of this archive directory

	renewals sync.WaitGroup
	stop     chan struct{}

	mu    sync.Mutex // guards until and lost
	until time.Time
	lost  error
}

// leaseRecord is the object.
type leaseRecord struct {
	Version int       `json:"version"`
	Holder  string    `json:"holder"`
	Host    string    `json:"host"`
	Until   time.Time `json:"until"`
}

const (
	leaseVersion = 1
	leaseName    = "purser-lease.json"
	leaseTerm    = 15 * time.Minute
	leaseRenewal = 5 * time.Minute
)

func (r *Repository) leaseKey() string { return r.opt.Prefixes.All + leaseName }

// acquireLease returns nil where the target can't hold a lease, and ErrLocked
// where another holder's has not run out. The caller releases it.
func (r *Repository) acquireLease(ctx context.Context) (*lease, error) {
	id, err := r.archive.holder(r.opt.Rand)
	if err != nil {
		return nil, err
	}
	l := &lease{repo: r, id: id, stop: make(chan struct{})}
	err = l.check(ctx)
	if err == nil {
		err = l.renew(ctx)
	}
	if err == nil {
		err = l.check(ctx) // of two at the same moment, the later one has it
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l.renewals.Go(func() {
		if err := bug.Guard(func() error { return l.keep(ctx) })(); err != nil {
			l.lose(err)
		}
	})
	return l, nil
}

// check fails if a place holds another's lease that has not run out.
func (l *lease) check(ctx context.Context) error {
	return l.repo.store.each(ctx, l.repo.store.inUse(), func(one *place) error { return l.checkAt(ctx, one) }, nil)
}

func (l *lease) checkAt(ctx context.Context, one *place) error {
	r := l.repo
	rec, err := r.readLease(ctx, one)
	if err != nil {
		return err
	}
	if rec.Version > leaseVersion {
		return withHint(fmt.Errorf("%s in %s has version %d, this purser knows %d", r.leaseKey(), one.URL, rec.Version, leaseVersion),
			"use the newer purser on all hosts that share this target")
	}
	if rec.Holder == l.id || !rec.Until.After(r.opt.Now()) {
		return nil
	}
	return withHint(fmt.Errorf("%w: %s is in use by host %q until %s", ErrLocked, one.URL, rec.Host, rec.Until.Format(time.RFC3339)),
		"wait for the other host to finish; if it has died, its lease ends at that time")
}

// readLease returns what a place holds; a zero record is no lease.
func (r *Repository) readLease(ctx context.Context, one *place) (leaseRecord, error) {
	f, err := one.Store.Get(ctx, r.leaseKey())
	if errors.Is(err, fs.ErrNotExist) {
		return leaseRecord{}, nil
	}
	if err != nil {
		return leaseRecord{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return leaseRecord{}, fmt.Errorf("read lease: %w", err)
	}
	var rec leaseRecord
	if json.Unmarshal(b, &rec) != nil {
		return leaseRecord{}, nil // what is no lease is replaced
	}
	return rec, nil
}

// dropLease removes what an interrupted run of ours has left.
func (r *Repository) dropLease(ctx context.Context) error {
	id, err := r.archive.holder(r.opt.Rand)
	if err != nil {
		return err
	}
	err = r.store.each(ctx, r.store.inUse(), func(one *place) error {
		rec, err := r.readLease(ctx, one)
		if err == nil && rec.Holder == id {
			err = one.Store.Delete(ctx, r.leaseKey())
		}
		return err
	}, nil)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// renew writes the lease with a new term.
func (l *lease) renew(ctx context.Context) error {
	r := l.repo
	rec := leaseRecord{Version: leaseVersion, Holder: l.id, Host: r.opt.Hostname, Until: r.opt.Now().Add(leaseTerm).UTC()}
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	if err := r.store.PutNote(ctx, r.leaseKey(), bytes.NewReader(b), int64(len(b))); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = rec.Until
	return nil
}

// keep renews the lease until it is released or ctx ends, which is no error. A
// failure counts once the term is over, or at once if another holder has come.
func (l *lease) keep(ctx context.Context) error {
	tick := time.NewTicker(leaseRenewal)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return nil
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := l.check(ctx)
		if err == nil {
			err = l.renew(ctx)
		}
		if err != nil && (errors.Is(err, ErrLocked) || l.over()) {
			return err
		}
	}
}

// over reports whether the term has ended.
func (l *lease) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.until.After(l.repo.opt.Now())
}

// lose notes what has ended the lease.
func (l *lease) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = err
}

// held fails once the lease is lost. A nil lease is always held.
func (l *lease) held() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// extend renews the lease for what follows the last volume.
func (l *lease) extend(ctx context.Context) error {
	if l == nil {
		return nil
	}
	if err := l.confirm(ctx); err != nil {
		return err
	}
	return l.renew(ctx)
}

// confirm asks the target.
func (l *lease) confirm(ctx context.Context) error {
	if l == nil {
		return nil
	}
	if err := l.held(); err != nil {
		return err
	}
	return l.check(ctx)
}

// release gives the lease back. After cancellation it is left to run out: its
// holder retakes it at once.
func (l *lease) release(ctx context.Context) error {
	if l == nil {
		return nil
	}
	close(l.stop)
	l.renewals.Wait()
	err := ctx.Err()
	if err == nil {
		err = l.confirm(ctx)
	}
	if err == nil {
		err = l.repo.store.DeleteNote(ctx, l.repo.leaseKey())
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// holder returns the random id by which this archive directory knows its own
// lease, also after a crash.
func (a *archiveDir) holder(random io.Reader) (string, error) {
	path := filepath.Join(a.state, "holder.json")
	var h struct {
		Version int    `json:"version"`
		ID      string `json:"id"`
	}
	b, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(b, &h) == nil && h.Version == 1 && h.ID != "" {
		return h.ID, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read lease holder: %w", err)
	}
	var id [16]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", fmt.Errorf("make lease holder: %w", err)
	}
	h.Version, h.ID = 1, hex.EncodeToString(id[:])
	if b, err = json.Marshal(h); err == nil {
		err = atomicfile.WriteFile(path, b, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("note lease holder: %w", err)
	}
	return h.ID, nil
}
