package format_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/internal/format"
)

const (
	sum1   = "289c25b937805b47012fd1b27badee1d5c6d5c75"
	sum2   = "4dc4cee1789e6e93da820b5501644eb7340cde8f"
	sum256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// The manifest of the specification, as duplicity wrote it, with SHA-256 added.
const golden = "Hostname myhost\nLocaldir src\n" +
	"Volume 1:\n    StartingPath   .  \n    EndingPath     rnd 15\n    Hash SHA1 " + sum1 + "\n    Hash SHA256 " + sum256 + "\n" +
	"Volume 2:\n    StartingPath   rnd 16\n    EndingPath     zz  \n    Hash SHA1 " + sum2 + "\n" +
	"Filelist 3\n    new      rnd\n    changed  \"with\\x20space/f\\x27il\\x22e\"\n    deleted  zz\n"

func goldenManifest() *format.Manifest {
	return &format.Manifest{
		Hostname: "myhost",
		Localdir: "src",
		Volumes: []format.VolumeRecord{
			{Number: 1, Last: format.Position{Path: "rnd", Block: 15}, SHA1: sum1, SHA256: sum256},
			{Number: 2, First: format.Position{Path: "rnd", Block: 16}, Last: format.Position{Path: "zz"}, SHA1: sum2},
		},
		Changes: []format.Change{
			{Status: format.StatusNew, Path: "rnd"},
			{Status: format.StatusChanged, Path: `with space/f'il"e`},
			{Status: format.StatusDeleted, Path: "zz"},
		},
		Ended: true,
	}
}

// A cut before the end of the file list shows; a volume may be missing.
func TestCutManifest(t *testing.T) {
	last := strings.LastIndex(golden, "\n    deleted")
	for n := range golden {
		m, err := format.ParseManifest([]byte(golden[:n]))
		if err == nil && m.Ended && n <= last {
			t.Errorf("%d of %d bytes pass for a whole manifest", n, len(golden))
		}
	}
}

func TestManifestGolden(t *testing.T) {
	m, err := format.ParseManifest([]byte(golden))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(goldenManifest(), m); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(golden, string(goldenManifest().Bytes())); d != "" {
		t.Error(d)
	}
}

func TestManifestQuoting(t *testing.T) {
	for path, want := range map[string]string{
		"":             `.`,
		"new\nline":    `"new\x0aline"`,
		" lead":        `"\x20lead"`,
		`back\slash`:   `"back\x5cslash"`,
		"\v\f\r\t":     `"\x0b\x0c\x0d\x09"`,
		"\xff\xc3\xa9": "\xff\xc3\xa9",
		"a\u00a0b":     "a\u00a0b", // a space, but not an ASCII one
	} {
		m := &format.Manifest{Ended: true, Localdir: path, Volumes: []format.VolumeRecord{{Number: 1, First: format.Position{Path: path}, Last: format.Position{Path: path, Block: 7}, SHA1: sum1}}}
		b := m.Bytes()
		if !strings.Contains(string(b), "    EndingPath     "+want+" 7\n") {
			t.Errorf("%q is written as\n%s", path, b)
		}
		got, err := format.ParseManifest(b)
		if err != nil {
			t.Errorf("%q: %v", path, err)
		} else if d := cmp.Diff(m, got); d != "" {
			t.Errorf("%q: %s", path, d)
		}
	}
	m, err := format.ParseManifest([]byte("Localdir \"\\x2Fa\"\nVolume 1:\n StartingPath \"plain\"\n EndingPath \"\\xFF\\xc3\""))
	if err != nil || m.Localdir != "/a" || m.Volumes[0].First.Path != "plain" || m.Volumes[0].Last.Path != "\xff\xc3" {
		t.Errorf("%+v, %v", m, err)
	}
}

// records makes a manifest of volume records with the given numbers; each has its
// place in the file as the block of its last path.
func records(numbers ...string) string {
	var b strings.Builder
	for i, n := range numbers {
		b.WriteString("Volume " + n + ":\n    StartingPath   a  \n    EndingPath     a " + string(rune('1'+i)) + "\n    Hash SHA1 " + sum1 + "\n")
	}
	return b.String()
}

func TestManifestRecords(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []int // number and place, by turns
	}{
		{"plain", records("1", "2"), []int{1, 1, 2, 2}},
		{"resumed", records("1", "2", "3", "3", "4", "5"), []int{1, 1, 2, 2, 3, 4, 4, 5, 5, 6}},
		{"restarted", records("1", "2", "1"), []int{1, 3}},
		{"list in between", records("1", "2") + "Filelist 1\n    new      a\n" + records("2") + "Filelist 0\n", []int{1, 1, 2, 1}},
		{"descending", records("2", "1"), []int{1, 2}},
		{"gap", records("1", "3"), []int{1, 1, 3, 2}},
		{"none", "", nil},
		{"CRLF", strings.ReplaceAll(records("1"), "\n", "\r\n"), []int{1, 1}},
		{"no final newline", strings.TrimSuffix(records("1"), "\n"), []int{1, 1}},
		{"any case", strings.ToUpper("volume 1:\n startingpath . \n endingpath ") + "a 1\n hash SHA1 " + sum1, []int{1, 1}},
		{"unknown lines", "Future x\n" + strings.Replace(records("1"), "    Hash", "    Color green\nOdd\n    Hash", 1), []int{1, 1}},
		{"no hash", "Volume 1:\n StartingPath .\n EndingPath a 1\n", []int{1, 1}},
	} {
		m, err := format.ParseManifest([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []int
		for _, v := range m.Volumes {
			got = append(got, v.Number, v.Last.Block)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestManifestHashes(t *testing.T) {
	in := "Volume 1:\n StartingPath .\n EndingPath a\n Hash MD5 0011\n Hash sha1 " + strings.ToUpper(sum1) + "\n Hash SHA256 " + sum256 + "\n"
	m, err := format.ParseManifest([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := format.VolumeRecord{Number: 1, Last: format.Position{Path: "a"}, SHA1: sum1, SHA256: sum256, Other: []format.Hash{{Algorithm: "MD5", Value: "0011"}}}
	if d := cmp.Diff(want, m.Volumes[0]); d != "" {
		t.Error(d)
	}
}

func TestBadManifests(t *testing.T) {
	const first, last = " StartingPath a\n", " EndingPath a\n"
	for name, in := range map[string]string{
		"no last path":         "Volume 1:\n" + first + "Volume 2:\n" + first + last,
		"no first path":        "Volume 1:\n" + last,
		"cut":                  "Volume 1:\n",
		"volume 0":             "Volume 0:\n" + first + last,
		"volume -1":            "Volume -1:\n" + first + last,
		"volume without":       "Volume\n" + first + last,
		"huge volume":          "Volume 99999999999999999999:\n" + first + last,
		"bad block":            "Volume 1:\n StartingPath a x\n" + last,
		"path of parents":      "Volume 1:\n StartingPath ../a\n" + last,
		"absolute path":        "Volume 1:\n StartingPath /a\n" + last,
		"quoted empty path":    "Volume 1:\n StartingPath \"\"\n" + last,
		"no path":              "Volume 1:\n StartingPath\n" + last,
		"open quote":           "Volume 1:\n StartingPath \"a\n" + last,
		"one quote":            "Volume 1:\n StartingPath \"\n" + last,
		"bad escape":           "Volume 1:\n StartingPath \"\\xg0\"\n" + last,
		"short escape":         "Volume 1:\n StartingPath \"\\x0\"\n" + last,
		"other escape":         "Volume 1:\n StartingPath \"\\n000\"\n" + last,
		"short hash":           "Volume 1:\n" + first + last + " Hash SHA1 00\n",
		"hash without a value": "Volume 1:\n" + first + last + " Hash SHA1\n",
		"bad SHA-256":          "Volume 1:\n" + first + last + " Hash SHA256 " + sum1 + "\n",
		"bad number of files":  "Filelist x\n",
		"bad file":             "Filelist 1\n new\n",
		"bad path of a file":   "Filelist 1\n new a/../b\n",
		"bad quote of a host":  "Hostname \"\n",
	} {
		if m, err := format.ParseManifest([]byte(in)); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(records("1", "2", "3", "3", "1") + "Filelist 1\r\n new \"a\\x20\"\r\n"))
	f.Add([]byte("VOLUME 7\n startingpath . \n EndingPath \"\\xff\" 3\n hash md5 x\n"))
	f.Fuzz(checkManifest)
}

func checkManifest(t *testing.T, b []byte) {
	t.Helper()
	m, err := format.ParseManifest(b)
	if err != nil {
		if !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("error is not ErrCorrupt: %v", err)
		}
		return
	}
	m.Ended = true
	again, err := format.ParseManifest(m.Bytes())
	if err != nil {
		t.Fatalf("%q is written as %q: %v", b, m.Bytes(), err)
	}
	if d := cmp.Diff(m, again); d != "" {
		t.Errorf("%q: %s", b, d)
	}
}
