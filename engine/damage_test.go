package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
)

// damages are so many flipped bytes and cuts of random objects.
func damages(mode string) int {
	switch {
	case soak():
		return 3400 // in each of three modes: 10,000 in all
	case mode == "plain":
		return 250
	}
	return 12 // each is a slow derivation of a key
}

// damagedSite holds a chain of a full set and two increments, in volumes of
// 64 KiB.
func damagedSite(t *testing.T, mode string) (*site, *fixture) {
	f := small(t)
	s := modes[mode](t, f.dir)
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	for n := 1; n <= 2; n++ {
		f.gen = n
		f.patch("big", int64(50_000*n), 90_000)
		f.write(fmt.Sprintf("dir/new %d", n), 500*n)
		s.now = at(n)
		s.backup(f.dir)
	}
	return s, f
}

// A changed byte or a cut anywhere in any object is found and named, or does
// no harm: what is restored is right.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"plain", "passphrase", "signed"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s, f := damagedSite(t, mode)
			want := snapshot(t, f.dir, exact)
			random := rand.New(rand.NewPCG(5, uint64(len(mode))))
			names := targetNames(t, s)
			named := 0
			for n := range damages(mode) {
				// Volumes have nearly all bytes, and manifests the most meaning: each
				// object has the same chance.
				name := names[n%len(names)]
				path := filepath.Join(s.target, name)
				good, err := os.ReadFile(path)
				f.check(err)
				bad, what := damage(random, good)
				f.check(os.WriteFile(path, bad, 0o600))
				if s.findsDamage(fmt.Sprintf("%s with %s", name, what), name, want) {
					named++
				}
				f.check(os.WriteFile(path, good, 0o600))
			}
			if named < damages(mode)*3/4 {
				t.Errorf("only %d of %d were named", named, damages(mode))
			}
			s.loseState()
			sameTree(t, "undamaged", want, snapshot(t, s.restore(at(2)), exact))
		})
	}
}

// damage flips bits of one byte, or cuts.
func damage(random *rand.Rand, good []byte) (bad []byte, what string) {
	at := random.IntN(len(good))
	if random.IntN(4) == 0 {
		return good[:at], fmt.Sprintf("%d of %d bytes", at, len(good))
	}
	bad = slices.Clone(good)
	flip := byte(1 + random.IntN(255))
	bad[at] ^= flip
	return bad, fmt.Sprintf("byte %d of %d changed by %#x", at, len(good), flip)
}

// findsDamage verifies and restores on a host that has only the target. It
// reports whether the damaged object was named; else the restore must be right.
func (s *site) findsDamage(what, name string, want map[string]node) bool {
	s.t.Helper()
	s.loseState()
	r := s.open()
	res, err := r.Verify(s.t.Context(), engine.VerifyOptions{})
	verified := names(err, name)
	for _, d := range res.Damage {
		if d.Object != name && !describes(name, d.Object) {
			s.t.Errorf("%s: verify names %s: %v", what, d.Object, d.Err)
		}
		verified = true
	}
	if err != nil && !verified {
		s.t.Errorf("%s: verify says %v", what, err)
	}
	dest := filepath.Join(s.state, "dest")
	_, restoreErr := r.Restore(s.t.Context(), dest, engine.RestoreOptions{})
	if restoreErr != nil && !names(restoreErr, name) {
		s.t.Errorf("%s: restore says %v", what, restoreErr)
	}
	if restoreErr == nil {
		sameTree(s.t, what, want, snapshot(s.t, dest, exact))
	}
	if err := os.RemoveAll(dest); err != nil {
		s.t.Fatal(err)
	}
	return verified || restoreErr != nil
}

// describes reports whether object is a volume of the manifest's set: where a
// manifest in the clear has another hash or number, the two contradict each
// other, and the volume is named as the one that it doesn't fit.
func describes(manifest, object string) bool {
	set, ok := strings.CutSuffix(strings.TrimSuffix(manifest, ".gpg"), ".manifest")
	return ok && strings.Contains(object, set)
}

// names reports whether an error names the object: as damaged, or as one that
// no key opens, which is how damage of an encrypted object's first bytes looks.
func names(err error, object string) bool {
	var damaged *engine.CorruptError
	if errors.As(err, &damaged) {
		return damaged.Object == object || describes(object, damaged.Object)
	}
	return errors.Is(err, engine.ErrWrongKey) && strings.Contains(err.Error(), object)
}
