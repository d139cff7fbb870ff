package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// A file that is read ahead is what reading it in its turn would have given,
// whatever has become of it since the walk, and it is closed in any case.
func TestReadNow(t *testing.T) {
	broken := errors.New("broken")
	content := []byte("0123456789")
	for name, c := range map[string]struct {
		size int64 // at the walk
		in   io.Reader
		want int
		err  error
		late bool // closed by its reader
	}{
		"as it was":              {10, bytes.NewReader(content), 10, nil, false},
		"byte by byte":           {10, iotest.OneByteReader(bytes.NewReader(content)), 10, nil, false},
		"end with the last byte": {10, iotest.DataErrReader(bytes.NewReader(content)), 10, nil, false},
		"shrunk":                 {12, bytes.NewReader(content), 10, nil, false},
		"empty":                  {0, bytes.NewReader(nil), 0, nil, false},
		"grown by one byte":      {9, bytes.NewReader(content), 10, nil, true},
		"grown":                  {3, bytes.NewReader(content), 10, nil, true},
		"broken":                 {10, io.MultiReader(bytes.NewReader(content[:4]), iotest.ErrReader(broken)), 4, broken, false},
		"broken behind":          {3, io.MultiReader(bytes.NewReader(content[:6]), iotest.ErrReader(broken)), 6, broken, true},
		"ended by its source":    {10, io.MultiReader(bytes.NewReader(content[:4]), iotest.ErrReader(io.ErrUnexpectedEOF)), 4, io.ErrUnexpectedEOF, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := &closing{Reader: c.in}
			e := Entry{Path: "a", Type: TypeFile, Size: c.size, Open: func() (io.ReadCloser, error) { return file, nil }}
			e.readNow(t.Context())
			if file.closed == c.late {
				t.Errorf("closed after reading ahead: %t", file.closed)
			}
			f, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(f)
			if !bytes.Equal(got, content[:c.want]) || !errors.Is(err, c.err) {
				t.Errorf("%q and error %v, want %q and %v", got, err, content[:c.want], c.err)
			}
			if err := f.Close(); err != nil || !file.closed {
				t.Errorf("closed: %t, %v", file.closed, err)
			}
		})
	}
	e := Entry{Open: func() (io.ReadCloser, error) { return nil, broken }}
	e.readNow(t.Context())
	if _, err := e.Open(); !errors.Is(err, broken) {
		t.Errorf("open: error %v", err)
	}
}

// closeNotice tells that it was closed.
type closeNotice struct {
	io.Reader
	closed chan struct{}
}

func (c closeNotice) Close() error {
	close(c.closed)
	return nil
}

// A file that was left open, and that nobody came for, is closed with the backup.
func TestReadNowEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file := closeNotice{bytes.NewReader(make([]byte, 100)), make(chan struct{})}
	e := Entry{Type: TypeFile, Size: 1, Open: func() (io.ReadCloser, error) { return file, nil }}
	e.readNow(ctx)
	select {
	case <-file.closed:
		t.Fatal("the file is closed while it may be asked for")
	default:
	}
	cancel()
	<-file.closed
}

// Large files, and what is no file, are left as they are; the order stays.
func TestOpenAhead(t *testing.T) {
	opened := map[string]bool{}
	entry := func(path string, kind Type, size int64) Entry {
		return Entry{Path: path, Type: kind, Size: size, Open: func() (io.ReadCloser, error) {
			opened[path] = true
			return io.NopCloser(bytes.NewReader(make([]byte, size))), nil
		}}
	}
	in, out := make(chan []Entry, 2), make(chan []Entry, 2)
	in <- []Entry{entry("", TypeDir, 0), entry("a", TypeFile, openAheadSize), entry("b", TypeFile, openAheadSize+1)}
	in <- []Entry{entry("c", TypeFifo, 0), {Path: "d", Type: TypeFile, Err: errors.New("unreadable")}, entry("e", TypeFile, 0)}
	close(in)
	if err := openAhead(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for some := range out {
		for _, e := range some {
			paths = append(paths, e.Path)
		}
	}
	if len(paths) != 6 || paths[1] != "a" || paths[5] != "e" {
		t.Errorf("entries %q", paths)
	}
	if len(opened) != 2 || !opened["a"] || !opened["e"] {
		t.Errorf("opened: %v", opened)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := openAhead(ctx, make(chan []Entry), make(chan []Entry)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
