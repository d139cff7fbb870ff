package engine

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/purser-backup/purser/engine/internal/deflate"
	"github.com/purser-backup/purser/engine/internal/librsync"
	"github.com/purser-backup/purser/engine/internal/stagetest"
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
// package pgp has one of its own for encryption.
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
			if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, nil, bytes.NewReader(in))); err != nil {
				b.Fatal(err)
			}
		}
	}
	stagetest.Run(b, "copy", stageSize, func() { copy(out, data) })
	stagetest.Run(b, "SHA-256", stageSize, func() { sha256.Sum256(data) })
	stagetest.Run(b, "SHA-1", stageSize, func() { sha1.Sum(data) })
	stagetest.Run(b, "signature", stageSize, sign)
	stagetest.Run(b, "delta of equal", stageSize, delta(data))
	stagetest.Run(b, "delta of shifted", stageSize, delta(data[1000:]))
	stagetest.Run(b, "delta of other", stageSize, delta(reversed(data)))
	stagetest.Run(b, "deflate", stageSize, pack)
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(data); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	stagetest.Run(b, "inflate", stageSize, func() {
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
