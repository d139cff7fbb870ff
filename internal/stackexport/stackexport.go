// Package stackexport writes the definitions of stacks below the source path,
// so that they are backed up with the data: a stack can then be made again.
package stackexport

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Source knows stacks. There is one for each orchestrator that can export them.
type Source interface {
	// Stacks lists all stacks, those without a definition included.
	Stacks(ctx context.Context) ([]Stack, error)
}

// Stack is one stack. Files is nil for one that can't be exported.
type Stack struct {
	Name  string
	Files func(ctx context.Context) ([]File, error)
}

// File is a part of a definition. It may hold passwords.
type File struct {
	Name    string // one path component
	Content []byte
}

// ByName orders stacks.
func ByName(a, b Stack) int { return cmp.Compare(a.Name, b.Name) }

// Result is what became of an export. A stack counts once.
type Result struct {
	Written    int      // new, or changed since it was last exported
	Unchanged  int      // and not touched
	Impossible []string // stacks without a definition that can be had
	Failed     []error  // each an *Error
}

// Error says why a stack was not exported. What was exported of it before stays.
type Error struct {
	Stack  string
	Err    error
	Advice string // what the user can do, may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("export of stack %s: %v", e.Stack, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do about it.
func (e *Error) Hint() string { return e.Advice }

// reserved is the folder of Rancher's own database; a stack of this name is
// exported beside it. No stack has a dot in its name.
const reserved, instead = "database", "database.stack"

// staging holds files on their way; a backup never sees it.
const staging = ".purser/export"

// Export writes each stack's files to SOURCE/DIR/STACK. A file is complete or
// as it was before, and not touched where it hasn't changed. A stack that fails
// is in the result, and the others go on; the error is about all of them. What
// is there of stacks that are gone stays.
func Export(ctx context.Context, source, dir string, from Source) (Result, error) {
	stacks, err := from.Stacks(ctx)
	if err != nil {
		return Result{}, err
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return Result{}, fmt.Errorf("open source directory: %w", err)
	}
	x := &export{root: root, dir: dir, taken: map[string]bool{}}
	for _, s := range stacks {
		if ctx.Err() != nil {
			break
		}
		x.add(ctx, s)
	}
	return x.result, errors.Join(ctx.Err(), x.close())
}

type export struct {
	root   *os.Root
	dir    string
	taken  map[string]bool
	result Result
}

// add exports one stack and counts it.
func (x *export) add(ctx context.Context, s Stack) {
	if s.Files == nil {
		x.result.Impossible = append(x.result.Impossible, s.Name)
		return
	}
	changed, err := x.stack(ctx, s)
	switch {
	case ctx.Err() != nil: // Export says so
	case err != nil:
		x.result.Failed = append(x.result.Failed, &Error{Stack: s.Name, Err: err, Advice: advice(err)})
	case changed:
		x.result.Written++
	default:
		x.result.Unchanged++
	}
}

func (x *export) stack(ctx context.Context, s Stack) (changed bool, err error) {
	name := s.Name
	if name == reserved {
		name = instead
	}
	if !plain(name) {
		return false, errors.New("its name can't be that of a directory")
	}
	if x.taken[name] {
		return false, errors.New("another stack has the same name")
	}
	x.taken[name] = true
	files, err := s.Files(ctx)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if !plain(f.Name) {
			return false, fmt.Errorf("%q can't be the name of a file", f.Name)
		}
		written, err := x.write(path.Join(x.dir, name), f)
		if err != nil {
			return changed, err
		}
		changed = changed || written
	}
	return changed, nil
}

// write puts a file in place as a whole, if it is another one than before.
func (x *export) write(dir string, f File) (bool, error) {
	target := path.Join(dir, f.Name)
	if old, err := x.root.ReadFile(target); err == nil && bytes.Equal(old, f.Content) {
		return false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := x.root.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	if err := x.root.MkdirAll(staging, 0o700); err != nil {
		return false, err
	}
	temp := path.Join(staging, "new")
	if err := x.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	file, err := x.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(file, bytes.NewReader(f.Content))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return false, err
	}
	if err := x.root.Rename(temp, target); err != nil {
		return false, err
	}
	return true, x.sync(dir)
}

// sync makes a directory's entries durable.
func (x *export) sync(dir string) error {
	d, err := x.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (x *export) close() error {
	return errors.Join(x.root.RemoveAll(staging), x.root.Close())
}

// plain accepts what is one path component, and can be shown.
func plain(name string) bool {
	return name != "" && len(name) <= 200 && name[0] != '.' && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '\\' || !unicode.IsPrint(r) })
}

func advice(err error) string {
	var hinted interface{ Hint() string }
	switch {
	case errors.As(err, &hinted):
		return hinted.Hint()
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "the source path must be writable for purser's user, or set BACKUP_MODULE_STACK=false"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space on the file system of the source path"
	}
	return ""
}
