package network

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

const (
	maxPiece = 256 << 10 // bytes that are sent at once
	minPiece = 512
)

// Limit is a rate that all who hold it keep to together. nil is none.
type Limit struct {
	limiter *rate.Limiter
	piece   int
}

// NewLimit makes one of so many bytes per second; 0 is none.
func NewLimit(perSecond int64) *Limit {
	if perSecond <= 0 {
		return nil
	}
	// Small enough that nobody waits long for its turn.
	piece := int(min(maxPiece, max(minPiece, perSecond/20)))
	return &Limit{rate.NewLimiter(rate.Limit(perSecond), piece), piece}
}

// PerSecond is the rate in bytes per second; 0 is no limit.
func (l *Limit) PerSecond() int64 {
	if l == nil {
		return 0
	}
	return int64(l.limiter.Limit())
}

// wait waits until some of n bytes may be sent, and says how many.
func (l *Limit) wait(n int) int {
	if l == nil {
		return min(n, maxPiece)
	}
	n = min(n, l.piece)
	// It ends by itself, and soon: there is nothing to cancel and no error.
	_ = l.limiter.WaitN(context.Background(), n)
	return n
}

// Pace makes reading from r keep to the limit.
func (l *Limit) Pace(r io.ReadSeeker) io.ReadSeeker {
	if l == nil {
		return r
	}
	return &paced{r, l}
}

type paced struct {
	io.ReadSeeker
	limit *Limit
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.ReadSeeker.Read(b[:min(len(b), p.limit.piece)])
	p.limit.wait(n)
	return n, err
}
