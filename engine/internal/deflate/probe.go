package deflate

import "math"

const (
	// segment is how much is compressed or stored together.
	segment = 32 << 10
	// Of each segment so many samples of so many bytes are looked at.
	samples   = 16
	sampleLen = 256
	// incompressible is the entropy in bits per byte from which on deflate gains
	// nothing. Random bytes show 7.95 in samples like these.
	incompressible = 7.85
)

// leading tells whether p begins with bytes that are to be stored, and how many
// of the same kind there are.
func leading(p []byte) (n int, store bool) {
	store = hopeless(p[:min(segment, len(p))])
	n = min(segment, len(p))
	for n < len(p) && hopeless(p[n:min(n+segment, len(p))]) == store {
		n = min(n+segment, len(p))
	}
	return n, store
}

// hopeless reports whether p looks like what is compressed or encrypted
// already: all bytes about equally often. Small segments are always tried.
func hopeless(p []byte) bool {
	if len(p) < segment/4 {
		return false
	}
	var count [256]uint16
	step := (len(p) - sampleLen) / (samples - 1)
	for i := range samples {
		for _, c := range p[i*step:][:sampleLen] {
			count[c]++
		}
	}
	// Of so few values the entropy is less whatever their shares are, which spares
	// text the logarithms.
	const few = 230 // 2^7.85
	values := 0
	for _, c := range count {
		if c > 0 {
			values++
		}
	}
	if values <= few {
		return false
	}
	// The entropy is log n - sum(c log c)/n.
	var sum float64
	for _, c := range count {
		if c > 1 {
			sum += float64(c) * math.Log2(float64(c))
		}
	}
	const n = samples * sampleLen
	return math.Log2(n)-sum/n > incompressible
}
