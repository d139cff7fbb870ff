package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns n bytes of which the last, or the first, lies beside memory that
// must not be touched.
func fenced(t *testing.T, n int, atEnd bool) []byte {
	t.Helper()
	page := os.Getpagesize()
	size := (n + page - 1) / page * page
	all, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	usable := all[page : page+size]
	if err := unix.Mprotect(usable, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	if atEnd {
		return usable[size-n:]
	}
	return usable[:n:n]
}

// No stream, however broken, makes the Reader touch what is beside its buffers:
// the test would end with a fault. The assembler makes the same of it as Go.
func TestReaderStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, atEnd := range []bool{true, false} {
		buf, out := fenced(t, 4<<10, atEnd), fenced(t, window+outputSize+slack, atEnd)
		for i := range 90 {
			packed := broken(t, r, i%3 > 0)
			got, err := io.ReadAll(&Reader{in: bytes.NewReader(packed), buf: buf, out: out, assembler: hasAssembler(), sum: 1})
			want, wantErr := io.ReadAll(NewReader(bytes.NewReader(packed)).InGo())
			if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%d bytes, %v; in Go %d, %v", len(got), err, len(want), wantErr)
			}
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
		}
	}
}

// broken is a stream of symbols of all kinds, many of which refer far back, with
// some bits changed if wanted.
func broken(t *testing.T, r *rand.Rand, damaged bool) []byte {
	t.Helper()
	var plain []byte
	for n := 1000 + r.IntN(400_000); len(plain) < n; {
		if from := len(plain) - 1 - r.IntN(1<<r.IntN(16)); from >= 0 && r.IntN(3) > 0 {
			plain = append(plain, plain[from:from+min(1<<r.IntN(10), len(plain)-from)]...)
			continue
		}
		for range 1 + r.IntN(20) {
			plain = append(plain, byte(r.ExpFloat64()*float64(1+r.IntN(60))))
		}
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 1+r.IntN(9))
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	b := packed.Bytes()
	for i := 0; damaged && i < 3; i++ {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}
