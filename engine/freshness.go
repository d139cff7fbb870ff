package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Freshness is what the target itself tells of the last good run, so that
// another machine can judge it. A run that finds nothing changed writes no set,
// but is good all the same.
type Freshness struct {
	Host string    // as in the manifests
	Run  time.Time // when the run ended
	Set  time.Time // the newest set then
	Next time.Time // when the next run is due, zero if that is unknown
	// Profiles names the directories of the target that hold a repository each,
	// where it holds none itself.
	Profiles []string
}

// freshnessRecord is the object. It has nothing in it that a lease or the
// names of the sets don't tell.
type freshnessRecord struct {
	Version int       `json:"version"`
	Host    string    `json:"host"`
	Run     time.Time `json:"last_good_run"`
	Set     time.Time `json:"newest_set,omitzero"`
	Next    time.Time `json:"next_run,omitzero"`

	Profiles []string `json:"profiles,omitempty"`
}

const (
	freshnessVersion = 1
	freshnessName    = "purser-status.json"
)

func (r *Repository) freshnessKey() string { return r.opt.Prefixes.All + freshnessName }

// NoteFreshness writes what the target is to tell, under a name that duplicity
// ignores. The host is this repository's.
func (r *Repository) NoteFreshness(ctx context.Context, f Freshness) error {
	b, err := json.Marshal(freshnessRecord{freshnessVersion, r.opt.Hostname, f.Run.UTC(), utc(f.Set), utc(f.Next), f.Profiles})
	if err != nil {
		return fmt.Errorf("write the status on the target: %w", err)
	}
	b = append(b, '\n')
	return r.store.PutNote(ctx, r.freshnessKey(), bytes.NewReader(b), int64(len(b)))
}

// utc leaves a zero time as it is.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}

// Freshness reads what the target tells. It needs no key. Where there is
// nothing, since purser has made no good run there, found is false.
func (r *Repository) Freshness(ctx context.Context) (f Freshness, found bool, err error) {
	body, err := r.store.Get(ctx, r.freshnessKey())
	if errors.Is(err, fs.ErrNotExist) {
		return Freshness{}, false, nil
	}
	if err != nil {
		return Freshness{}, false, err
	}
	defer body.Close()
	b, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil {
		return Freshness{}, false, fmt.Errorf("read the status on the target: %w", err)
	}
	var rec freshnessRecord
	if err := json.Unmarshal(b, &rec); err != nil || rec.Version != freshnessVersion {
		if err == nil {
			err = fmt.Errorf("version %d is unknown to this purser", rec.Version)
		}
		return Freshness{}, false, withHint(fmt.Errorf("read %s in %s: %w", r.freshnessKey(), r.store.URL(), err),
			"the backups don't depend on it, and the next good run writes it anew; `purser sets` tells what is there")
	}
	return Freshness{Host: rec.Host, Run: rec.Run, Set: rec.Set, Next: rec.Next, Profiles: rec.Profiles}, true, nil
}
