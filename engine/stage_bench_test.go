package engine

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/deflate"
	"github.com/purser-backup/purser/engine/internal/librsync"
)

const stageSize = 8 << 20

// rows is text as dumps have it.
func rows() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < stageSize {
		b = fmt.Appendf(b, "INSERT INTO `orders` VALUES (%d,%d,'%x@example.com','2025-%02d-%02d','paid');\n",
			len(b), r.IntN(1000), r.Uint32(), 1+r.IntN(12), 1+r.IntN(28))
	}
	return b[:stageSize]
}

// BenchmarkStage measures what is done to each byte, in one thread each; the
// package pgp has one of its own for encryption. It shows processor time: the least of some runs, so that it tells something on a
// machine that has other work too.
func BenchmarkStage(b *testing.B) {
	data := rows()
	out := make([]byte, stageSize)
	var packed, signature bytes.Buffer
	pack := func() {
		packed.Reset()
		w, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err == nil {
			_, err = w.Write(data)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	sign := func() {
		signature.Reset()
		w := librsync.NewSignatureWriter(&signature, signatureParams(600e6))
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	sign()
	sig, err := librsync.ReadSignature(&signature)
	if err != nil {
		b.Fatal(err)
	}
	delta := func(in []byte) func() {
		return func() {
			if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, bytes.NewReader(in))); err != nil {
				b.Fatal(err)
			}
		}
	}
	stage(b, "copy", func() { copy(out, data) })
	stage(b, "SHA-256", func() { sha256.Sum256(data) })
	stage(b, "SHA-1", func() { sha1.Sum(data) })
	stage(b, "signature", sign)
	stage(b, "delta of equal", delta(data))
	stage(b, "delta of shifted", delta(data[1000:]))
	stage(b, "delta of other", delta(reversed(data)))
	stage(b, "deflate", pack)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(data); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	stage(b, "inflate", func() {
		r, err := deflate.NewZlibReader(bytes.NewReader(z.Bytes()))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			b.Fatal(err)
		}
	})
}

func reversed(p []byte) []byte {
	q := bytes.Clone(p)
	for i := range q {
		q[i] = p[len(p)-1-i]
	}
	return q
}

func stage(b *testing.B, name string, do func()) {
	b.Run(name, func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		least := time.Duration(math.MaxInt64)
		for b.Loop() {
			began := threadTime(b)
			do()
			least = min(least, threadTime(b)-began)
		}
		b.SetBytes(stageSize)
		b.ReportMetric(float64(least)/stageSize, "cpu-ns/B")
	})
}

// threadTime is the processor time of this thread so far.
func threadTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
