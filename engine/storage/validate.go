package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"
)

const (
	// validateName begins the names of what Validate stores. It is none of a
	// backup's, so others ignore what a killed one leaves.
	validateName  = "purser-doctor-"
	smallSize     = 1000
	largeSize     = 16 << 20
	removeTimeout = 30 * time.Second
)

// Check is one thing that a target was asked to do.
type Check struct {
	Name    string        // such as "list" or "overwrite"
	Bytes   int64         // that were moved
	Objects int           // that a list has found
	Took    time.Duration // by the clock of Options
	// Err says why it failed. Refused says that only the rights to it are
	// missing, and that backups can be made without.
	Err     error
	Refused bool
}

// validation is under way.
type validation struct {
	store *Store
	name  string
	small []byte
	large []byte
}

// Validate tries all that a backup does with a target, on objects of its own,
// which it removes: list, write, read, overwrite, delete. It stops at the first
// failure that keeps backups from being made. Each check is given to done as
// soon as it is known. The error is that failure, or of the removal.
func (s *Store) Validate(ctx context.Context, done func(Check)) error {
	v := &validation{store: s, name: validateName + rand.Text(), small: make([]byte, smallSize), large: make([]byte, largeSize)}
	_, _ = rand.Read(v.small) // never fails
	_, _ = rand.Read(v.large)
	removed := false
	defer func() {
		if !removed { // what failed says more than what can't be removed then
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
			defer cancel()
			_ = s.backend.Delete(ctx, v.name)
		}
	}()
	for _, step := range v.steps() {
		c := Check{Name: step.name}
		began := s.now()
		c.Err = step.run(ctx, &c)
		c.Took = s.now().Sub(began)
		c.Refused = step.spare && errors.Is(c.Err, fs.ErrPermission)
		removed = removed || step.name == "delete"
		done(c)
		if c.Err != nil && !c.Refused {
			return fmt.Errorf("%s: %w", step.name, c.Err)
		}
	}
	return nil
}

type validationStep struct {
	name  string
	spare bool // backups can be made without
	run   func(context.Context, *Check) error
}

func (v *validation) steps() []validationStep {
	return []validationStep{
		{"list", false, func(ctx context.Context, c *Check) error {
			list, err := v.store.List(ctx, "")
			c.Objects = len(list)
			return err
		}},
		{"write", false, func(ctx context.Context, c *Check) error { return v.write(ctx, c, v.large[:smallSize]) }},
		{"read", true, func(ctx context.Context, c *Check) error { return v.read(ctx, c, v.large[:smallSize]) }},
		{"overwrite", false, func(ctx context.Context, c *Check) error { return v.write(ctx, c, v.small) }},
		{"read again", true, func(ctx context.Context, c *Check) error { return v.read(ctx, c, v.small) }},
		{"write much", false, func(ctx context.Context, c *Check) error { return v.write(ctx, c, v.large) }},
		{"read much", true, func(ctx context.Context, c *Check) error { return v.read(ctx, c, v.large) }},
		{"delete", true, v.remove},
	}
}

// write stores the object, and looks whether a list shows it.
func (v *validation) write(ctx context.Context, c *Check, p []byte) error {
	if err := v.store.Put(ctx, v.name, bytes.NewReader(p), int64(len(p))); err != nil {
		return err
	}
	c.Bytes = int64(len(p))
	list, err := v.store.List(ctx, v.name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(i Info) bool { return i.Name == v.name && i.Size == c.Bytes }) {
		return v.store.fail("validate", v.name, errors.New("the target doesn't list what it has just stored"))
	}
	return nil
}

func (v *validation) read(ctx context.Context, c *Check, want []byte) (err error) {
	r, err := v.store.Get(ctx, v.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	got, err := io.ReadAll(io.LimitReader(r, largeSize+1))
	if err != nil {
		return err
	}
	c.Bytes = int64(len(got))
	if !bytes.Equal(got, want) {
		return v.store.fail("validate", v.name, fmt.Errorf("the target gives %d other bytes than the %d it has stored", len(got), len(want)))
	}
	return nil
}

func (v *validation) remove(ctx context.Context, _ *Check) error {
	if err := v.store.Delete(ctx, v.name); err != nil {
		return err
	}
	list, err := v.store.List(ctx, v.name)
	if err == nil && len(list) > 0 {
		err = v.store.fail("validate", v.name, errors.New("the target still lists what it has deleted"))
	}
	return err
}
