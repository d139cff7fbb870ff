package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// ErrFault is what a call fails with when its Fault brings no error. It may
// pass: driver.IsPermanent says no.
var ErrFault = errors.New("injected fault")

// Mode says how a call fails.
type Mode uint8

const (
	// Before fails the call without reaching the target.
	Before Mode = iota
	// After does the call's work, then fails it, as when the answer is lost. A
	// Get, Stat or List only fails.
	After
	// Half breaks off halfway, as the contract allows: Put reads half of the
	// body and stores nothing, the reader of a Get fails after half of the
	// object. Other calls fail as with After.
	Half
	// Torn is for a target that breaks the contract: Put leaves half of the body
	// under the final name. Get's reader ends early, without an error. List
	// leaves out half of the objects, without an error. Other calls fail as with
	// After.
	Torn
)

// Modes gives all modes.
func Modes() []Mode { return []Mode{Before, After, Half, Torn} }

func (m Mode) String() string {
	return [...]string{"before", "after", "half", "torn"}[m]
}

// Verb names a method of driver.Backend that is counted as a call.
type Verb string

// The verbs.
const (
	Put    Verb = "put"
	Get    Verb = "get"
	Stat   Verb = "stat"
	List   Verb = "list"
	Delete Verb = "delete"
)

// Fault says which call fails, and how.
type Fault struct {
	Call int  // the 1st, 2nd ...; 0 is none
	Verb Verb // if set, only calls of this verb count for Call
	Mode Mode
	Err  error // nil is ErrFault
	// Down makes all later calls fail too, before reaching the target: the
	// target, or the process, is gone.
	Down bool
}

// Call is one call that was made.
type Call struct {
	Verb   Verb
	Name   string // the object, or List's prefix
	Failed bool   // by the fault
}

func (c Call) String() string { return fmt.Sprintf("%s %q", c.Verb, c.Name) }

// Faulty is a Backend that fails one call on purpose, or all from one on, and
// counts calls. To break an operation at each of its calls, run it with the
// zero Fault, take Calls, and run it again for each number up to that:
//
//	for n := 1; n <= calls; n++ { b := drivertest.NewFaulty(inner, drivertest.Fault{Call: n}) ... }
//
// and see to it that Hit says true. It may be used by several goroutines; then
// the order of calls is as they come.
type Faulty struct {
	inner driver.Backend
	fault Fault

	mu    sync.Mutex
	calls []Call
	count int // calls that the fault's verb matches
}

var _ driver.Backend = (*Faulty)(nil)

// NewFaulty wraps b. Close closes b.
func NewFaulty(b driver.Backend, f Fault) *Faulty {
	if f.Err == nil {
		f.Err = ErrFault
	}
	return &Faulty{inner: b, fault: f}
}

// Calls gives the calls so far, in order.
func (f *Faulty) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Hit tells whether the fault has struck. A test whose fault never struck has
// tested nothing.
func (f *Faulty) Hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.calls, func(c Call) bool { return c.Failed })
}

// begin counts a call. It gives the mode in which to fail it, if it is to fail.
func (f *Faulty) begin(v Verb, name string) (mode Mode, fail bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault.Verb == "" || f.fault.Verb == v {
		f.count++
		fail = f.fault.Call > 0 && f.count == f.fault.Call
	}
	mode = f.fault.Mode
	if !fail && f.fault.Down && f.fault.Call > 0 && f.count >= f.fault.Call {
		mode, fail = Before, true
	}
	f.calls = append(f.calls, Call{Verb: v, Name: name, Failed: fail})
	return mode, fail
}

func (f *Faulty) err(v Verb, name string) error {
	return fmt.Errorf("%s %s: %w", v, name, f.fault.Err)
}

// Put implements driver.Backend.
func (f *Faulty) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	mode, fail := f.begin(Put, name)
	if !fail {
		return f.inner.Put(ctx, name, r, size)
	}
	fault := f.err(Put, name)
	switch mode {
	case After:
		return errors.Join(f.inner.Put(ctx, name, r, size), fault)
	case Half, Torn:
		half, err := readHalf(r, size)
		if err == nil && mode == Torn {
			err = f.inner.Put(ctx, name, bytes.NewReader(half), int64(len(half)))
		}
		return errors.Join(err, fault)
	}
	return fault
}

func readHalf(r io.ReadSeeker, size int64) ([]byte, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	half := make([]byte, size/2)
	_, err := io.ReadFull(r, half)
	return half, err
}

// Get implements driver.Backend.
func (f *Faulty) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	mode, fail := f.begin(Get, name)
	if !fail {
		return f.inner.Get(ctx, name)
	}
	if mode == Before || mode == After {
		return nil, f.err(Get, name)
	}
	info, err := f.inner.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := f.inner.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	end := io.EOF
	if mode == Half {
		end = f.err(Get, name)
	}
	return &halfReader{ReadCloser: body, left: info.Size / 2, end: end}, nil
}

// halfReader yields left bytes, then end.
type halfReader struct {
	io.ReadCloser
	left int64
	end  error
}

func (r *halfReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.end
	}
	n, err := r.ReadCloser.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// Stat implements driver.Backend.
func (f *Faulty) Stat(ctx context.Context, name string) (driver.Info, error) {
	if _, fail := f.begin(Stat, name); fail {
		return driver.Info{}, f.err(Stat, name)
	}
	return f.inner.Stat(ctx, name)
}

// List implements driver.Backend.
func (f *Faulty) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	mode, fail := f.begin(List, prefix)
	if fail && mode != Torn {
		return nil, f.err(List, prefix)
	}
	list, err := f.inner.List(ctx, prefix)
	if fail {
		list = list[:len(list)/2]
	}
	return list, err
}

// Delete implements driver.Backend.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	mode, fail := f.begin(Delete, name)
	if !fail {
		return f.inner.Delete(ctx, name)
	}
	if mode == Before {
		return f.err(Delete, name)
	}
	return errors.Join(f.inner.Delete(ctx, name), f.err(Delete, name))
}

// Features implements driver.Backend.
func (f *Faulty) Features() driver.Features { return f.inner.Features() }

// Close implements driver.Backend.
func (f *Faulty) Close() error { return f.inner.Close() }
