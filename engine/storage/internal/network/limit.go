package network

import (
	"context"
	"io"
	"sync"

	"golang.org/x/time/rate"
)

const (
	maxPiece = 256 << 10 // bytes that are sent at once
	minPiece = 512
)

// Limit is a rate that all who hold it keep to together. nil is none.
type Limit struct {
	rate func() int64 // bytes per second that it should be now; 0 is none

	mu      sync.Mutex
	now     int64 // what it is
	limiter *rate.Limiter
}

// NewLimit makes one of so many bytes per second; 0 is none.
func NewLimit(perSecond int64) *Limit {
	if perSecond <= 0 {
		return nil
	}
	return NewChangingLimit(func() int64 { return perSecond })
}

// NewChangingLimit makes one that is as high as perSecond says at each moment, 0
// for none; nil is no limit at all.
func NewChangingLimit(perSecond func() int64) *Limit {
	if perSecond == nil {
		return nil
	}
	return &Limit{rate: perSecond, limiter: rate.NewLimiter(rate.Inf, 0)}
}

// PerSecond is the rate in bytes per second; 0 is no limit.
func (l *Limit) PerSecond() int64 {
	if l == nil {
		return 0
	}
	return max(0, l.rate())
}

// piece is how many bytes may be sent at once now: so few that nobody waits long
// for its turn.
func (l *Limit) piece() int {
	perSecond := l.PerSecond()
	piece := int(min(maxPiece, max(minPiece, perSecond/20)))
	if perSecond == 0 {
		piece = maxPiece
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if perSecond != l.now {
		l.now = perSecond
		l.limiter.SetBurst(piece)
		if l.limiter.SetLimit(rate.Limit(perSecond)); perSecond == 0 {
			l.limiter.SetLimit(rate.Inf)
		}
	}
	return piece
}

// wait waits until some of n bytes may be sent, and says how many.
func (l *Limit) wait(n int) int {
	if l == nil {
		return min(n, maxPiece)
	}
	n = min(n, l.piece())
	// It ends by itself, and soon: there is nothing to cancel. An error says that
	// the rate has just become too low for this piece, which then goes at once.
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
	n, err := p.ReadSeeker.Read(b[:min(len(b), p.limit.piece())])
	p.limit.wait(n)
	return n, err
}
