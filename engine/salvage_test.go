package engine_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
)

// withoutLinks compares all but which names are one file: a lost name splits them.
var withoutLinks = fidelity{copies: true}

// salvaged restores over damage, and returns the tree.
func (s *site) salvaged(o engine.RestoreOptions) (engine.RestoreResult, map[string]node) {
	s.t.Helper()
	o.Damaged = true
	dest := filepath.Join(s.t.TempDir(), "restored")
	res, err := s.open().Restore(s.t.Context(), dest, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, snapshot(s.t, dest, withoutLinks)
}

// chain writes a few generations in small volumes, and returns their states.
func (s *site) chain(f *fixture, generations int) []map[string]node {
	s.t.Helper()
	var states []map[string]node
	for n := range generations {
		if n > 0 {
			f.edit(n)
		}
		s.now = at(n)
		s.backup(f.dir)
		states = append(states, snapshot(s.t, f.dir, withoutLinks))
	}
	return states
}

// holds checks a salvaged tree: what is listed as affected is in the state that
// the list tells, and all else is as it should be.
func holds(t *testing.T, res engine.RestoreResult, states []map[string]node, got map[string]node) {
	t.Helper()
	want := maps.Clone(states[len(states)-1])
	for _, a := range res.Affected {
		if a.Err == nil || a.To != "" {
			t.Errorf("affected: %+v", a)
		}
		delete(want, a.Path)
		if !a.State.IsZero() {
			want[a.Path] = states[int(a.State.Sub(epoch)/time.Hour)][a.Path]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("salvaged tree (-want +got):\n%s", diff)
	}
}

// Every volume of a chain is damaged in turn. A restore refuses it; one that is
// told to go on lists just the files that the volume held, and brings back the
// rest.
func TestRestoreGoesOnOverDamage(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"plain", "passphrase"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s := modes[mode](t, f.dir)
			s.opt.VolumeSize = 200 << 10
			states := s.chain(f, 4)
			refused := 0
			for _, name := range targetNames(t, s) {
				if !strings.Contains(name, ".difftar") {
					continue
				}
				path := filepath.Join(s.target, name)
				good, err := os.ReadFile(path)
				check(t, err)
				bad := bytes.Clone(good)
				bad[len(bad)/2] ^= 1
				check(t, os.WriteFile(path, bad, 0o600))

				var damaged *engine.CorruptError
				if _, err := s.open().Restore(t.Context(), filepath.Join(t.TempDir(), "dest"), engine.RestoreOptions{}); errors.As(err, &damaged) {
					refused++
				} else {
					t.Errorf("%s is damaged, but the restore says %v", name, err)
				}
				res, got := s.salvaged(engine.RestoreOptions{})
				if len(res.Damage) != 1 || res.Damage[0].Object != name {
					t.Errorf("%s is damaged, listed is %+v", name, res.Damage)
				}
				t.Logf("%s: %d affected", name, len(res.Affected))
				holds(t, res, states, got)
				check(t, os.WriteFile(path, good, 0o600))
			}
			if refused < 8 {
				t.Errorf("only %d volumes", refused)
			}
		})
	}
}

// With the signatures lost as well, the names in a lost volume are not known:
// the range is listed, and what is outside of it is restored.
func TestRestoreGoesOnOverDamageWithoutSignatures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.opt.VolumeSize = 200 << 10
	states := s.chain(f, 1)
	full := "duplicity-full.20240501T030000Z.vol"
	for _, volume := range []string{"1", "2"} {
		kept := map[string][]byte{}
		for _, name := range []string{full + volume + ".difftar.gpg", "duplicity-full-signatures.20240501T030000Z.sigtar.gpg"} {
			b, err := os.ReadFile(filepath.Join(s.target, name))
			check(t, err)
			kept[name] = b
			check(t, os.Remove(filepath.Join(s.target, name)))
		}
		res, got := s.salvaged(engine.RestoreOptions{})
		ranges := slices.DeleteFunc(slices.Clone(res.Affected), func(a engine.Affected) bool { return a.To == "" })
		if len(res.Damage) != 2 || len(ranges) != 1 {
			t.Fatalf("volume %s: damage %+v, affected %+v", volume, res.Damage, res.Affected)
		}
		whole := 0
		for path, want := range states[0] {
			lost := path <= ranges[0].To && (ranges[0].Path == "." || path >= ranges[0].Path)
			if n, ok := got[path]; ok && n == want {
				whole++
			} else if !lost && !strings.HasPrefix(ranges[0].To, path) && !slices.ContainsFunc(res.Affected, func(a engine.Affected) bool { return a.Path == path }) {
				t.Errorf("volume %s: %q is not restored, and not in %q to %q", volume, path, ranges[0].Path, ranges[0].To)
			}
		}
		if whole < 5 {
			t.Errorf("volume %s: only %d objects came back", volume, whole)
		}
		for name, b := range kept {
			check(t, os.WriteFile(filepath.Join(s.target, name), b, 0o600))
		}
	}
}

// A chain without one of its sets restores up to the hole, and says so.
func TestRestoreUpToAHole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, "", f.dir)
	states := s.chain(f, 4)
	remove := func(pattern string) {
		for _, name := range targetNames(t, s) {
			if strings.Contains(name, pattern) {
				check(t, os.Remove(filepath.Join(s.target, name)))
			}
		}
	}
	remove(".to.20240501T050000Z.")
	for _, o := range []engine.RestoreOptions{{}, {Time: at(3)}} {
		res, got := s.salvaged(o)
		if len(res.Torn) != 1 || !res.Torn[0].Time.Equal(at(3)) || !res.Torn[0].Start.Equal(at(2)) || !res.Time.Equal(at(1)) {
			t.Errorf("restored %s, torn %+v", res.Time, res.Torn)
		}
		if diff := cmp.Diff(states[1], got); diff != "" {
			t.Error(diff)
		}
	}
	s.warned.of(t, "can't be restored")
	if res, _ := s.salvaged(engine.RestoreOptions{Time: at(2)}); len(res.Torn) > 0 {
		t.Errorf("torn %+v, but the one of hour 3 was not asked for", res.Torn)
	}
	if res := s.verify(engine.VerifyOptions{}); len(res.Damage) != 1 || !res.Damage[0].Set.Equal(at(3)) {
		t.Errorf("verify finds %+v", res.Damage)
	}
	remove("full.")
	_, err := s.open().Restore(t.Context(), filepath.Join(t.TempDir(), "dest"), engine.RestoreOptions{})
	if !errors.Is(err, engine.ErrNoBackup) || !strings.Contains(err.Error(), "full set is missing") {
		t.Errorf("without the full set: %v", err)
	}
}

// A damaged manifest ends the chain for a restore that goes on.
func TestRestoreBeforeDamagedManifest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	states := s.chain(f, 3)
	name := "duplicity-inc.20240501T040000Z.to.20240501T050000Z.manifest.gpg"
	check(t, os.Truncate(filepath.Join(s.target, name), 100))
	res, got := s.salvaged(engine.RestoreOptions{})
	if len(res.Damage) != 1 || res.Damage[0].Object != name || !res.Time.Equal(at(1)) {
		t.Errorf("restored %s, damage %+v", res.Time, res.Damage)
	}
	if diff := cmp.Diff(states[1], got); diff != "" {
		t.Error(diff)
	}
}
