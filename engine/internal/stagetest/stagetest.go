// Package stagetest measures stages of the engine by themselves.
package stagetest

import (
	"math"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Run measures a stage that takes size bytes at a time. Besides the time it
// reports the least processor time for a byte: what else the machine does
// changes that little.
func Run(b *testing.B, name string, size int64, do func()) {
	b.Run(name, func(b *testing.B) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		least := time.Duration(math.MaxInt64)
		for b.Loop() {
			began := threadTime(b)
			do()
			least = min(least, threadTime(b)-began)
		}
		b.SetBytes(size)
		b.ReportMetric(float64(least)/float64(size), "cpu-ns/B")
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
