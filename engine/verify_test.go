package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
)

func (s *site) verify(o engine.VerifyOptions) engine.VerifyResult {
	s.t.Helper()
	res, err := s.open().Verify(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

// Every damaged object is named, and only those.
func TestVerifyNamesEachDamagedObject(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"plain", "signed"} {
		t.Run(mode, func(t *testing.T) {
			f := small(t)
			s := modes[mode](t, f.dir)
			s.opt.VolumeSize = 64 << 10
			s.backup(f.dir)
			f.gen = 1
			f.append("big", 1000)
			s.now = at(1)
			s.backup(f.dir)
			if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 || res.Objects != len(targetNames(t, s)) {
				t.Fatalf("good repository: %+v", res)
			}
			for _, name := range targetNames(t, s) {
				path := filepath.Join(s.target, name)
				good, err := os.ReadFile(path)
				f.check(err)
				bad := slices.Clone(good)
				bad[len(bad)/2] ^= 1
				for _, b := range [][]byte{bad, good[:len(good)/2]} {
					f.check(os.WriteFile(path, b, 0o600))
					res := s.verify(engine.VerifyOptions{})
					if len(res.Damage) != 1 || res.Damage[0].Object != name {
						t.Errorf("%s is damaged, found %+v", name, res.Damage)
					}
				}
				f.check(os.WriteFile(path, good, 0o600))
			}
		})
	}
}

func TestVerifyNamesMissingAndSwappedVolumes(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, "", f.dir)
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	volume := func(n string) string {
		return filepath.Join(s.target, "duplicity-full.20240501T030000Z.vol"+n+".difftar.gz")
	}
	f.check(os.Rename(volume("1"), volume("x")))
	f.check(os.Rename(volume("2"), volume("1")))
	f.check(os.Rename(volume("x"), volume("2")))
	f.check(os.Remove(volume("4")))
	var got []int
	for _, d := range s.verify(engine.VerifyOptions{}).Damage {
		got = append(got, d.Volume)
	}
	if !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("damaged volumes %v, want 1, 2 and 4", got)
	}
}

func TestVerifyComparesWithSource(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, "", f.dir)
	s.backup(f.dir)
	for n := range 3 {
		f.edit(n + 1)
		s.now = at(n + 1)
		s.backup(f.dir)
	}
	differences := func() []string {
		src, err := engine.OpenDir(f.dir, nil)
		f.check(err)
		defer src.Close()
		res := s.verify(engine.VerifyOptions{Source: src})
		if res.Files == 0 {
			t.Error("no file was compared")
		}
		return res.Differences
	}
	if got := differences(); len(got) > 0 {
		t.Fatalf("an unchanged source differs: %q", got)
	}
	info, err := os.Stat(f.path("a"))
	f.check(err)
	f.check(os.WriteFile(f.path("a"), f.bytes(int(info.Size())), 0o644))
	f.check(os.Chtimes(f.path("a"), info.ModTime(), info.ModTime())) // only the content tells
	f.check(os.Remove(f.path("a0")))
	f.check(os.WriteFile(f.path("zz"), nil, 0o644))
	var paths []string
	for _, d := range differences() {
		path, _, _ := strings.Cut(d, ":")
		paths = append(paths, path)
	}
	if diff := cmp.Diff([]string{".", "a", "a0", "zz"}, paths); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
