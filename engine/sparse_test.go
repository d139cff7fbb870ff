package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Runs of zeros become holes, wherever writes are cut, and the bytes are the same.
func TestSparseFile(t *testing.T) {
	data := make([]byte, 1<<20)
	for _, at := range []int{0, 5000, 300_000, 1<<20 - 70_000} {
		copy(data[at:], "some data")
	}
	for _, c := range []struct {
		name string
		data []byte
		cut  int // bytes in each write
	}{
		{"whole", data, len(data)}, {"blocks", data, 32 << 10}, {"odd", data, 10_007}, {"short", data[:301_000], 4095},
		{"zeros alone", make([]byte, 100_000), 30_000}, {"one byte", []byte{0}, 1}, {"nothing", nil, 1},
	} {
		path := filepath.Join(t.TempDir(), "file")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := &sparseFile{f: f}
		for rest := c.data; len(rest) > 0; {
			n, err := w.Write(rest[:min(c.cut, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; len(c.data) > 500_000 && used > 500_000 {
			t.Errorf("%s: %d bytes on disk", c.name, used)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, c.data) {
			t.Errorf("%s: %d bytes come back, want %d: %v", c.name, len(got), len(c.data), err)
		}
		f.Close()
	}
}
