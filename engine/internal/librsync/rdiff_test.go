package librsync_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// rdiff runs librsync's own tool on files and returns the last one, its output.
func rdiff(t *testing.T, args []string, files ...[]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	for i, b := range files {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out := filepath.Join(dir, "out")
	if b, err := exec.Command("rdiff", append(args, out)...).CombinedOutput(); err != nil {
		t.Fatalf("rdiff %v: %v\n%s", args, err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pairs are an old and a new file each.
func pairs() map[string][2][]byte {
	base := random(10, 300000)
	r := rand.New(rand.NewPCG(10, 10))
	changed := bytes.Clone(base)
	for range 20 {
		changed[r.IntN(len(changed))]++
	}
	var inserted []byte
	for i := 0; i < len(base); i += 30000 {
		inserted = append(append(inserted, random(uint64(i), 100)...), base[i:i+30000]...)
	}
	return map[string][2][]byte{
		"both empty":     {nil, nil},
		"new is empty":   {base, nil},
		"old is empty":   {nil, base[:70000]},
		"equal":          {base, base},
		"one block":      {base[:512], base[:512]},
		"short":          {base[:5], base[:5]},
		"appended":       {base[:200000], base},
		"truncated":      {base, base[:123456]},
		"head gone":      {base, base[777:]},
		"tail kept":      {base[:100100], append(random(11, 1000), base[99000:100100]...)},
		"last block":     {base[:100100], append(random(11, 100), base[100100-100100%512:100100]...)},
		"changed":        {base, changed},
		"inserted":       {base, inserted},
		"different":      {base[:150000], random(12, 200000)},
		"zeros":          {make([]byte, 100000), make([]byte, 200000)},
		"swapped halves": {base, append(bytes.Clone(base[150016:]), base[:150016]...)},
		"duplicated":     {base[:50000], append(bytes.Clone(base[:50000]), base[:50000]...)},
		"low entropy":    {smooth(r, 50000), smooth(r, 50000)},
	}
}

func TestRdiff(t *testing.T) {
	hash := map[string]string{"md4 rollsum": "md4", "blake2 rollsum": "blake2", "md4 rabinkarp": "md4", "blake2 rabinkarp": "blake2"}
	roll := map[string]string{"md4 rollsum": "rollsum", "blake2 rollsum": "rollsum", "md4 rabinkarp": "rabinkarp", "blake2 rabinkarp": "rabinkarp"}
	for name, magic := range magics {
		for _, size := range [][2]int{{512, 8}, {2048, 16}, {37, 5}} {
			options := []string{"-H", hash[name], "-R", roll[name], "-b", fmt.Sprint(size[0]), "-S", fmt.Sprint(size[1])}
			for pair, files := range pairs() {
				if size[0] == 37 && len(files[0]) > 100100 {
					continue // slow in rdiff, and nothing new
				}
				old, data := files[0], files[1]
				what := fmt.Sprintf("%s, %v, %s", name, size, pair)
				theirs := rdiff(t, append(options, "signature"), old)
				ours := signature(t, params(magic, size[0], size[1]), old)
				if !bytes.Equal(ours, theirs) {
					t.Fatalf("%s: the signatures differ:\n%.100x\n%.100x", what, ours, theirs)
				}
				ourDelta := delta(t, readSignature(t, theirs), data)
				if got := rdiff(t, []string{"patch"}, old, ourDelta); !bytes.Equal(got, data) {
					t.Errorf("%s: rdiff makes something else of our delta", what)
				}
				refined := deltaOf(t, readSignature(t, theirs), bytes.NewReader(old), data)
				if got := rdiff(t, []string{"patch"}, old, refined); !bytes.Equal(got, data) {
					t.Errorf("%s: rdiff makes something else of our delta by bytes", what)
				}
				if len(refined) > len(ourDelta)+len(ourDelta)/100 {
					t.Errorf("%s: our delta by bytes has %d bytes, that by blocks %d", what, len(refined), len(ourDelta))
				}
				theirDelta := rdiff(t, []string{"delta"}, ours, data)
				if got, err := patch(old, theirDelta); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: we make something else of rdiff's delta: %v", what, err)
				}
				if len(ourDelta) > len(theirDelta) {
					t.Errorf("%s: our delta has %d bytes, rdiff's %d", what, len(ourDelta), len(theirDelta))
				}
			}
		}
	}
}
