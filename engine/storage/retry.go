package storage

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/s3"
	"github.com/purser-backup/purser/engine/storage/internal/sftp"
	"github.com/purser-backup/purser/internal/secret"
)

const (
	defaultRetries    = 5 // as duplicity's --num-retries
	defaultRetryDelay = time.Second
	maxRetryDelay     = 30 * time.Second // duplicity's --backend-retry-delay
)

// TLS says whom to trust.
type TLS = network.TLS

// S3 are the settings of targets on S3.
type S3 = s3.Options

// SSH are the settings of targets over SSH. Their Password is not used: see
// Options.Password.
type SSH = sftp.Options

// HostKeyCheck is what the key of a server over SSH must be.
type HostKeyCheck = sftp.Check

// The checks: a known key; a known one or that of a new server, which is kept
// then; any.
const (
	HostKeyKnown = sftp.Known
	HostKeyNew   = sftp.New
	HostKeyAny   = sftp.Any
)

// Options of a Store. The zero value is good.
type Options struct {
	// Retries is how often a call that failed is tried again; 0 means 5, a
	// negative number none.
	Retries int
	// RetryDelay is the wait before the first retry; 0 means 1 s. It doubles
	// with each retry, up to 30 s, and a random part of up to a half is taken off.
	RetryDelay time.Duration
	// Sleep waits for d; it returns the context's error as soon as that is done.
	// nil waits in real time.
	Sleep func(ctx context.Context, d time.Duration) error
	// Rand gives the random part of the waits; nil is the system's source.
	Rand io.Reader
	// Now is the clock by which leftovers of dead uploads are old; nil is the
	// system's.
	Now func() time.Time
	// Password is that of any target whose URL has a user and no password.
	Password secret.String
	// TLS says whom to trust on targets over TLS.
	TLS TLS
	// S3 is for targets on S3, S3Endpoint the URL of the server for those whose
	// URL is bucket/prefix, S3Plain that others are reached without TLS.
	S3         S3
	S3Endpoint string
	S3Plain    bool
	// SSH is for targets over SSH.
	SSH SSH
	// StallTimeout is how long a connection may stand still; 0 means two minutes.
	StallTimeout time.Duration
	// RequireMount says that a folder of this machine must be on a mount other
	// than the root file system.
	RequireMount bool
	// Programs are for targets over rsync and rclone, RsyncOptions and Rclone for
	// one of them. Those over rsync and SSH take SSH, too.
	Programs     Programs
	RsyncOptions []string
	// RsyncPassword is that of a daemon where there is no other.
	RsyncPassword secret.String
	Rclone        Rclone
	// UploadRate gives the most that all uploads together send now, in bytes per
	// second; 0 is no limit. It is asked often, by several goroutines. nil is
	// no limit at any time.
	UploadRate func() int64
	// Limit, if it is set, is shared with other Stores in place of UploadRate.
	Limit *Limit
	// Warn is told of each retry, in the manner of slog: a message, then keys
	// and values. nil tells nobody. It may be called by several goroutines.
	Warn func(msg string, args ...any)

	dialer network.Dialer // by which all connect; Open makes it
}

type retry struct {
	retries int
	delay   time.Duration
	sleep   func(context.Context, time.Duration) error
	rand    io.Reader
	warn    func(string, ...any)
}

func newRetry(o Options) retry {
	r := retry{retries: o.Retries, delay: o.RetryDelay, sleep: o.Sleep, rand: o.Rand, warn: o.Warn}
	if r.retries == 0 {
		r.retries = defaultRetries
	}
	if r.delay == 0 {
		r.delay = defaultRetryDelay
	}
	if r.sleep == nil {
		r.sleep = sleep
	}
	if r.rand == nil {
		r.rand = rand.Reader
	}
	if r.warn == nil {
		r.warn = func(string, ...any) {}
	}
	return r
}

// do runs call until it succeeds, fails for good, or the retries are used up.
// Once ctx is done, call is not run again.
func (r retry) do(ctx context.Context, what string, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	delay := r.delay
	for try := 1; ; try++ {
		err := call()
		if err == nil || driver.IsPermanent(err) || try > r.retries {
			return err
		}
		wait := r.jitter(delay)
		r.warn("storage call failed, trying again", "call", what, "error", err, "retry", try, "of", r.retries, "after", wait)
		if stop := r.sleep(ctx, wait); stop != nil {
			return errors.Join(stop, err)
		}
		delay = min(2*delay, maxRetryDelay)
	}
}

// jitter takes up to a half off d, so that clients that failed together do not
// come back together. Without random bytes d stays whole.
func (r retry) jitter(d time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(r.rand, b[:]); err != nil || d < 2 {
		return d
	}
	return d - time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(d/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
