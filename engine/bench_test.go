package engine_test

import (
	"bufio"
	crand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/secret"
)

// The sizes of the tree that the benchmarks back up: a dump of a database,
// a file that doesn't compress, and small texts.
const (
	benchDump   = 96 << 20
	benchRandom = 48 << 20
	benchTexts  = 3000
)

// benchTree is what the benchmarks back up.
type benchTree struct {
	b   *testing.B
	dir string
}

func newBenchTree(b *testing.B) *benchTree {
	t := &benchTree{b, b.TempDir()}
	t.dump(0)
	t.write("random", func(w io.Writer) {
		if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{1}), benchRandom); err != nil {
			b.Fatal(err)
		}
	})
	for i := range benchTexts {
		t.text(i, 0)
	}
	return t
}

func (t *benchTree) write(name string, fill func(io.Writer)) {
	path := filepath.Join(t.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.b.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fill(w)
	if err := w.Flush(); err != nil {
		t.b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.b.Fatal(err)
	}
}

// dump writes rows; in each of 50 places some change with the generation.
func (t *benchTree) dump(generation uint64) {
	t.write("dump", func(w io.Writer) {
		for n, id := 0, 0; n < benchDump; id++ {
			version := uint64(0)
			if n%(benchDump/50) < benchDump/5000 {
				version = generation
			}
			r := rand.New(rand.NewPCG(uint64(id), version))
			k, err := fmt.Fprintf(w, "INSERT INTO `orders` VALUES (%d,%d,'%x@example.com','%s');\n", id, r.IntN(1000), r.Uint32(), benchWords(r, 12))
			if err != nil {
				t.b.Fatal(err)
			}
			n += k
		}
	})
}

func (t *benchTree) text(i int, generation uint64) {
	t.write(fmt.Sprintf("texts/%d/%d", i/100, i), func(w io.Writer) {
		r := rand.New(rand.NewPCG(uint64(i), generation))
		if _, err := io.WriteString(w, benchWords(r, 100+r.IntN(1200))); err != nil {
			t.b.Fatal(err)
		}
	})
}

func benchWords(r *rand.Rand, n int) string {
	const syllables = "barolitomekasunevidoparigulahinofe"
	var b []byte
	for range n {
		for range 1 + r.IntN(3) {
			at := 2 * r.IntN(len(syllables)/2)
			b = append(b, syllables[at:at+2]...)
		}
		b = append(b, ' ')
	}
	return string(b)
}

// change is what a day does to the tree.
func (t *benchTree) change(generation uint64) {
	t.dump(generation)
	for i := range 10 {
		t.text(i*(benchTexts/10), generation)
	}
}

// benchSite is a new target, with an engine to use it.
type benchSite struct {
	*testing.B
	repo *engine.Repository
	src  *engine.DirSource
	now  time.Time
}

func newBenchSite(b *testing.B, source string) *benchSite {
	base := b.TempDir()
	s := &benchSite{B: b, now: epoch}
	store, err := storage.Open(b.Context(), "file://"+filepath.Join(base, "target"), storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s.repo, err = engine.Open(b.Context(), store, engine.Options{
		ArchiveDir: filepath.Join(base, "state"), Passphrase: secret.New(passphrase), VolumeSize: 200 << 20,
		Hostname: "host", Localdir: source, Rand: crand.Reader,
		Now: func() time.Time { return s.now }, Warn: func(msg string, _ ...any) { b.Log(msg) },
	})
	if err != nil {
		b.Fatal(err)
	}
	if s.src, err = engine.OpenDir(source, nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.src.Close(); err != nil {
			b.Error(err)
		}
		if err := s.repo.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func (s *benchSite) backup(full bool) engine.BackupResult {
	s.Helper()
	s.now = s.now.Add(time.Hour)
	res, err := s.repo.Backup(s.Context(), s.src, engine.BackupOptions{Full: full})
	if err != nil {
		s.Fatal(err)
	}
	return res
}

func BenchmarkFull(b *testing.B) {
	tree := newBenchTree(b)
	s := newBenchSite(b, tree.dir)
	for b.Loop() {
		b.SetBytes(s.backup(true).SourceBytes)
	}
}

func BenchmarkUnchanged(b *testing.B) {
	tree := newBenchTree(b)
	s := newBenchSite(b, tree.dir)
	s.backup(true)
	for b.Loop() {
		if res := s.backup(false); !res.Unchanged {
			b.Fatal("a set was written")
		}
	}
}

func BenchmarkIncrement(b *testing.B) {
	tree := newBenchTree(b)
	s := newBenchSite(b, tree.dir)
	s.backup(true)
	for generation := uint64(1); b.Loop(); generation++ {
		b.StopTimer()
		tree.change(generation)
		b.StartTimer()
		b.SetBytes(s.backup(false).SourceBytes)
	}
}

func BenchmarkRestore(b *testing.B) {
	for increments := range 2 {
		b.Run(fmt.Sprintf("increments=%d", 3*increments), func(b *testing.B) {
			tree := newBenchTree(b)
			s := newBenchSite(b, tree.dir)
			s.backup(true)
			for generation := range 3 * increments {
				tree.change(uint64(generation + 1))
				s.backup(false)
			}
			dest := filepath.Join(b.TempDir(), "restored")
			for b.Loop() {
				res, err := s.repo.Restore(b.Context(), dest, engine.RestoreOptions{})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(res.Bytes)
				b.StopTimer()
				if err := os.RemoveAll(dest); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
