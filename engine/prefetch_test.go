package engine

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
)

// What is read ahead is what the file would have given: its bytes, also where it
// has grown or shrunk since the walk, and its errors, at the same place.
func TestPrefetch(t *testing.T) {
	broken := errors.New("broken")
	long := strings.Repeat("x", 3*prefetchSize)
	for name, c := range map[string]struct {
		size    int64
		content io.Reader
		openErr error
		want    string
		err     error
	}{
		"as it was": {size: 5, content: strings.NewReader("12345"), want: "12345"},
		"empty":     {content: strings.NewReader("")},
		"shrunk":    {size: 9, content: strings.NewReader("12345"), want: "12345"},
		"grown":     {size: 2, content: iotest.OneByteReader(strings.NewReader(long)), want: long},
		"long":      {size: int64(len(long)), content: strings.NewReader(long), want: long},
		"failing":   {size: 100, content: io.MultiReader(strings.NewReader("123"), iotest.ErrReader(broken)), want: "123", err: broken},
		"gone":      {size: 5, openErr: fs.ErrNotExist, err: fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			file := &closing{Reader: c.content}
			in, out := make(chan Entry, 1), make(chan Entry, 1)
			in <- Entry{Path: "f", Type: TypeFile, Size: c.size, Open: func() (io.ReadCloser, error) { return file, c.openErr }}
			close(in)
			if err := prefetch(t.Context(), in, out); err != nil {
				t.Fatal(err)
			}
			e := <-out
			f, err := e.Open()
			var got []byte
			if err == nil {
				got, err = io.ReadAll(f)
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if !errors.Is(err, c.err) || !bytes.Equal(got, []byte(c.want)) {
				t.Fatalf("%d bytes, error %v; want %d, %v", len(got), err, len(c.want), c.err)
			}
			if opened := c.openErr == nil; file.closed != opened {
				t.Fatalf("closed: %v, opened: %v", file.closed, opened)
			}
		})
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}
