package pgp

import (
	"crypto/aes"
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkStage measures what encryption costs for each byte: the least
// processor time of some runs, so that it tells something on a machine that has
// other work too.
func BenchmarkStage(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, keyLen))
	if err != nil {
		b.Fatal(err)
	}
	data, stream, before := make([]byte, pieceLen), make([]byte, pieceLen), make([]byte, aes.BlockSize)
	enc := newCFBEncrypter(block)
	for name, do := range map[string]func(){
		"AES-256 CFB encryption": func() { enc.encrypt(data) },
		"AES-256 CFB decryption": func() { decryptCFB(block, before, data, stream) },
	} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			least := time.Duration(math.MaxInt64)
			for b.Loop() {
				began := threadTime(b)
				do()
				least = min(least, threadTime(b)-began)
			}
			b.SetBytes(pieceLen)
			b.ReportMetric(float64(least)/pieceLen, "cpu-ns/B")
		})
	}
}

// threadTime is the processor time of this thread so far.
func threadTime(b *testing.B) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
