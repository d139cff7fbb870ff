package drivertest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// memory is the least Backend; the contract's real proof is in the drivers' tests.
type memory struct {
	driver.Backend
	objects map[string][]byte
}

func (m memory) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	body, err := driver.Body(ctx, r, size)
	if err != nil {
		return err
	}
	p, err := io.ReadAll(body)
	if err == nil {
		m.objects[name] = p
	}
	return err
}

func (m memory) Get(_ context.Context, name string) (io.ReadCloser, error) {
	p, ok := m.objects[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(p)), nil
}

func (m memory) Stat(_ context.Context, name string) (driver.Info, error) {
	p, ok := m.objects[name]
	if !ok {
		return driver.Info{}, fs.ErrNotExist
	}
	return driver.Info{Name: name, Size: int64(len(p))}, nil
}

func (m memory) List(context.Context, string) ([]driver.Info, error) {
	var list []driver.Info
	for name, p := range m.objects {
		list = append(list, driver.Info{Name: name, Size: int64(len(p))})
	}
	return list, nil
}

func (m memory) Delete(_ context.Context, name string) error {
	delete(m.objects, name)
	return nil
}

func TestFaultyModes(t *testing.T) {
	ctx := t.Context()
	put := func(b driver.Backend, name, s string) error {
		return b.Put(ctx, name, bytes.NewReader([]byte(s)), int64(len(s)))
	}
	for _, c := range []struct {
		mode drivertest.Mode
		put  string // what is under the name after a put of "12345678" over "old"
		get  string // what comes of "old!"
		end  error  // how that ends
		gone bool   // after delete
		list int    // of 1 object, -1 is an error
	}{
		{drivertest.Before, "old!", "", drivertest.ErrFault, false, -1},
		{drivertest.After, "12345678", "", drivertest.ErrFault, true, -1},
		{drivertest.Half, "old!", "ol", drivertest.ErrFault, true, -1},
		{drivertest.Torn, "1234", "ol", nil, true, 0},
	} {
		t.Run(c.mode.String(), func(t *testing.T) {
			start := func() (memory, *drivertest.Faulty) {
				m := memory{objects: map[string][]byte{"a": []byte("old!")}}
				return m, drivertest.NewFaulty(m, drivertest.Fault{Call: 1, Mode: c.mode})
			}
			m, f := start()
			if err := put(f, "a", "12345678"); !errors.Is(err, drivertest.ErrFault) {
				t.Errorf("put: %v", err)
			}
			if got := string(m.objects["a"]); got != c.put {
				t.Errorf("put left %q, want %q", got, c.put)
			}
			if !f.Hit() || driver.IsPermanent(drivertest.ErrFault) {
				t.Error("the fault did not strike as one that may pass")
			}
			if err := put(f, "a", "again"); err != nil {
				t.Errorf("second put: %v", err)
			}

			_, f = start()
			got, err := get(ctx, f, "a")
			if string(got) != c.get || !errors.Is(err, c.end) {
				t.Errorf("get: %q, %v, want %q, %v", got, err, c.get, c.end)
			}
			if got, err := get(ctx, f, "a"); string(got) != "old!" || err != nil {
				t.Errorf("second get: %q, %v", got, err)
			}

			m, f = start()
			if err := f.Delete(ctx, "a"); !errors.Is(err, drivertest.ErrFault) || (len(m.objects) == 0) != c.gone {
				t.Errorf("delete: %v, left %v", err, m.objects)
			}

			_, f = start()
			if _, err := f.Stat(ctx, "a"); !errors.Is(err, drivertest.ErrFault) {
				t.Errorf("stat: %v", err)
			}

			_, f = start()
			if list, err := f.List(ctx, ""); (err != nil) != (c.list < 0) || err == nil && len(list) != c.list {
				t.Errorf("list: %v, %v", list, err)
			}
		})
	}
}

func get(ctx context.Context, b driver.Backend, name string) ([]byte, error) {
	r, err := b.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := io.ReadAll(iotest.OneByteReader(r))
	return p, errors.Join(err, r.Close())
}

func TestFaultyCounts(t *testing.T) {
	ctx := t.Context()
	mine := errors.New("mine")
	run := func(f *drivertest.Faulty) (failed []int) {
		for i, call := range []func() error{
			func() error { return f.Put(ctx, "a", bytes.NewReader(nil), 0) },
			func() error { _, err := f.Stat(ctx, "a"); return err },
			func() error { _, err := f.List(ctx, ""); return err },
			func() error { return f.Delete(ctx, "a") },
			func() error { return f.Put(ctx, "b", bytes.NewReader(nil), 0) },
		} {
			if err := call(); err != nil {
				if !errors.Is(err, mine) {
					t.Errorf("call %d: %v", i+1, err)
				}
				failed = append(failed, i+1)
			}
		}
		return failed
	}
	for _, c := range []struct {
		fault drivertest.Fault
		want  []int
	}{
		{drivertest.Fault{}, nil},
		{drivertest.Fault{Down: true}, nil},
		{drivertest.Fault{Call: 3}, []int{3}},
		{drivertest.Fault{Call: 3, Down: true}, []int{3, 4, 5}},
		{drivertest.Fault{Call: 2, Verb: drivertest.Put}, []int{5}},
		{drivertest.Fault{Call: 1, Verb: drivertest.List, Down: true}, []int{3, 4, 5}},
		{drivertest.Fault{Call: 6}, nil},
	} {
		c.fault.Err = mine
		f := drivertest.NewFaulty(memory{objects: map[string][]byte{}}, c.fault)
		if got := run(f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: calls %v failed, want %v", c.fault, got, c.want)
		}
		if f.Hit() != (c.want != nil) || len(f.Calls()) != 5 || f.Calls()[4] != (drivertest.Call{Verb: drivertest.Put, Name: "b", Failed: slices.Contains(c.want, 5)}) {
			t.Errorf("%+v: hit %v, calls %v", c.fault, f.Hit(), f.Calls())
		}
	}
}
