package selection_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/internal/selection"
)

// options reads file lists from a map, and times as seconds since 1970.
func options(lists map[string]string) selection.Options {
	return selection.Options{
		Open: func(name string) (io.ReadCloser, error) {
			list, ok := lists[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return io.NopCloser(strings.NewReader(list)), nil
		},
		ParseTime: func(value string) (time.Time, error) {
			var seconds int64
			_, err := fmt.Sscanf(value, "%d", &seconds)
			return time.Unix(seconds, 0), err
		},
	}
}

func rules(words ...string) []selection.Rule {
	var list []selection.Rule
	for i := 0; i < len(words); i += 2 {
		list = append(list, selection.Rule{Option: "--" + words[i], Value: words[i+1]})
	}
	return list
}

// choose walks a tree of paths, as a source does, and gives what is stored. A
// path that ends in a slash is a directory.
func choose(s *selection.Selection, tree []string) (stored []string) {
	var held selection.Held[string]
	var walk func(parent string)
	walk = func(parent string) {
		for _, p := range tree {
			name := strings.TrimSuffix(strings.TrimPrefix(p, parent), "/")
			if !strings.HasPrefix(p, parent) || name == "" || strings.Contains(name, "/") {
				continue
			}
			path, dir := parent+name, strings.HasSuffix(p, "/")
			decision := s.Decide(selection.Object{Path: path, Dir: dir, Regular: !dir, Has: func(entry string) bool {
				return slices.Contains(tree, path+"/"+entry)
			}})
			if decision == selection.Exclude {
				continue
			}
			mark := held.Hold(path)
			if decision == selection.Include {
				stored = append(stored, held.Release()...)
			}
			if dir {
				walk(path + "/")
			}
			held.Drop(mark)
		}
	}
	walk("")
	return stored
}

func TestDecide(t *testing.T) {
	tree := []string{"1.txt", "A/", "A/5.log", "a/", "a/2.txt", "a/b/", "a/b/3.txt", "a/c/", "a/c/d/", "a/c/d/e", "a/z", "marked/", "marked/.nobackup", "marked/x", "\xff"}
	lists := map[string]string{
		"windows": "\ufeff# no comment\r\n", "list": "# comment\r\n\r\n  + /s/a/b\t\r\n'/s/A'\r\n- \"/s/a\"\r\n", "old": "/s/a\r- **\r", "null": "/s/a\n\x00\x00\" x\"\x00", "quotes": "\"\n\"\"\n- ''\n",
		"bytes": "/s/\xff\n", "last": "/s/a\n",
	}
	for _, test := range []struct {
		rules  []selection.Rule
		stored string // "" for all
		drop   string
	}{
		{rules: nil},
		{rules: rules("include", "/s/a/c/d/e", "exclude", "**"), stored: "a a/c a/c/d a/c/d/e"},
		{rules: rules("include", "/s/a/c/d/none", "exclude", "**"), stored: "-"},
		{rules: rules("include", "**/d", "exclude", "**"), stored: "a a/c a/c/d a/c/d/e"},
		{rules: rules("exclude", "/s/a/b", "include", "**/3.txt", "exclude", "/s/zz"), stored: "-"},
		{rules: rules("exclude", "/s/\xff"), drop: "\xff"},
		{rules: rules("exclude", "/s/?"), drop: "A A/5.log a a/2.txt a/b a/b/3.txt a/c a/c/d a/c/d/e a/z \xff"},
		{rules: rules("exclude-filelist", "list"), drop: "A A/5.log a/2.txt a/c a/c/d a/c/d/e a/z"},
		{rules: rules("include-filelist", "old"), stored: "a a/2.txt a/b a/b/3.txt a/c a/c/d a/c/d/e a/z"},
		{rules: rules("exclude-filelist", "quotes")},
		{rules: rules("exclude-filelist", "bytes"), drop: "\xff"},
		{rules: rules("include", "/s/marked", "exclude-if-present", ".nobackup", "exclude", "/s/a"), drop: "marked marked/.nobackup marked/x a a/2.txt a/b a/b/3.txt a/c a/c/d a/c/d/e a/z"},
		{rules: rules("exclude-regexp", `/\d\.`), drop: "1.txt A/5.log a/2.txt a/b/3.txt"},
	} {
		s, err := selection.New("/s", test.rules, options(lists))
		if err != nil {
			t.Errorf("%q: %v", test.rules, err)
			continue
		}
		var want []string
		for _, p := range tree {
			if p = strings.TrimSuffix(p, "/"); test.stored == "" && !slices.Contains(strings.Split(test.drop, " "), p) {
				want = append(want, p)
			}
		}
		if test.stored != "" && test.stored != "-" {
			want = strings.Split(test.stored, " ")
		}
		if diff := cmp.Diff(want, choose(s, tree)); diff != "" {
			t.Errorf("%q: wanted (-), stored (+):\n%s", test.rules, diff)
		}
	}
}

func TestDecideByProperty(t *testing.T) {
	s, err := selection.New("s", rules("exclude-other-filesystems", "", "include", "s/old", "exclude-older-than", "100", "exclude-device-files", ""), options(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		object selection.Object
		want   selection.Decision
	}{
		{selection.Object{Path: "", Foreign: true, Device: true}, selection.Include},
		{selection.Object{Path: "new", Regular: true, ModTime: time.Unix(100, 0)}, selection.Include},
		{selection.Object{Path: "past", Regular: true, ModTime: time.Unix(99, 999)}, selection.Exclude},
		{selection.Object{Path: "pastdir", Dir: true, ModTime: time.Unix(99, 0)}, selection.Include},
		{selection.Object{Path: "old", Regular: true, ModTime: time.Unix(99, 0)}, selection.Include},
		{selection.Object{Path: "old", Device: true}, selection.Exclude},
		{selection.Object{Path: "old", Dir: true, Foreign: true}, selection.Exclude},
	} {
		if got := s.Decide(test.object); got != test.want {
			t.Errorf("%+v: %d, want %d", test.object, got, test.want)
		}
	}
}

func TestFaults(t *testing.T) {
	lists := map[string]string{"last": "# x\n/s/a\n", "bad": "/s/a\n\n/s//b\n/t\n", "excluded": "- **\n"}
	for _, test := range []struct {
		rules []selection.Rule
		want  []selection.Fault
		text  string
	}{
		{rules("include", "/s/a"), []selection.Fault{selection.Redundant}, `--include "/s/a" has no effect`},
		{rules("include", "/s/a", "exclude-device-files", ""), []selection.Fault{selection.Redundant}, `--include "/s/a" has no effect`},
		{rules("exclude-filelist", "last", "include-filelist", "last"), []selection.Fault{selection.Redundant}, `--include-filelist "last" has no effect`},
		{rules("include-filelist", "excluded"), nil, ""},
		{rules("exclude", "/t", "exclude", "s", "include-regexp", "(?=a)", "include", "/s//"), []selection.Fault{selection.Outside, selection.Outside, selection.BadValue}, `--exclude "/t" matches nothing at or below the source "/s"`},
		{rules("exclude-filelist", "bad"), []selection.Fault{selection.BadGlob, selection.Outside}, `--exclude-filelist "bad", line 3: "/s//b": two slashes in a row`},
		{rules("exclude-filelist", "none"), []selection.Fault{selection.BadList}, `--exclude-filelist "none": read the file list: file does not exist`},
		{rules("exclude-older-than", "x"), []selection.Fault{selection.BadValue}, `--exclude-older-than "x": is no time`},
		{rules("exclude-nothing", "x"), []selection.Fault{selection.BadOption}, `--exclude-nothing "x": is no option that chooses files`},
	} {
		_, err := selection.New("/s", test.rules, options(lists))
		var got []selection.Fault
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				e, ok := errors.AsType[*selection.Error](err)
				if !ok || e.Hint() == "" {
					t.Errorf("%q: %v has no hint", test.rules, err)
					continue
				}
				got = append(got, e.Fault)
			}
		}
		if !slices.Equal(got, test.want) || err != nil && !strings.HasPrefix(err.Error(), test.text) {
			t.Errorf("%q: %v\n%v\nwant %v, %s", test.rules, got, err, test.want, test.text)
		}
	}
}

// A list that can't be read to its end is no list.
func TestTornList(t *testing.T) {
	torn := errors.New("torn")
	opt := selection.Options{Open: func(string) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("/s/a\n"), failing{torn})), nil
	}}
	if _, err := selection.New("/s", rules("exclude-filelist", "x"), opt); !errors.Is(err, torn) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
