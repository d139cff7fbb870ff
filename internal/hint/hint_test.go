package hint_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/hint"
)

type advised struct {
	error
	advice string
}

func (a advised) Unwrap() error { return a.error }
func (a advised) Hint() string  { return a.advice }

func TestOfAll(t *testing.T) {
	mount := advised{io.EOF, "mount it\nor not "}
	for name, c := range map[string]struct {
		err    error
		errors int
		hints  []string
	}{
		"nothing":            {nil, 0, []string{}},
		"none":               {io.EOF, 1, []string{}},
		"its own":            {mount, 1, []string{"mount it", "or not"}},
		"wrapped":            {fmt.Errorf("open: %w", mount), 1, []string{"mount it", "or not"}},
		"the outermost":      {advised{mount, "another"}, 1, []string{"another"}},
		"an empty one":       {advised{mount, " "}, 1, []string{"mount it", "or not"}},
		"joined":             {errors.Join(mount, io.EOF, advised{io.EOF, "or not"}, errors.Join(advised{io.EOF, "last"})), 4, []string{"mount it", "or not", "last"}},
		"joined in sentence": {fmt.Errorf("%w, and %w", io.EOF, mount), 1, []string{"mount it", "or not"}},
	} {
		if n := len(hint.Flatten(c.err)); n != c.errors {
			t.Errorf("%s: %d errors, want %d", name, n, c.errors)
		}
		if diff := cmp.Diff(c.hints, hint.OfAll(c.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
