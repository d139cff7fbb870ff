// Package rsync keeps objects in a folder that the program rsync reaches: of a
// module of an rsync daemon, or of a machine over SSH.
package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/program"
)

// Backend is a driver.Backend over a folder. rsync itself stores all or
// nothing: under a name of its own first, which begins with a dot, and by a
// rename once the checksum of the whole is right. The folder is made at the
// first Put that needs it.
type Backend struct {
	place place
	tool  *program.Tool
	more  []string // options of the user's
}

var _ driver.Backend = (*Backend)(nil)

// Put implements driver.Backend.
func (b *Backend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) (err error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return err
	}
	dir, err := b.tool.Folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, name)
	if err := program.Stage(ctx, path, r, size); err != nil {
		return err
	}
	err = b.send(ctx, dir, path)
	for tries := 1; lostReason(err) && tries < 3; tries++ {
		err = b.send(ctx, dir, path)
	}
	if missingFolder(err) {
		if err := b.makeFolder(ctx); err != nil {
			return b.explain(err)
		}
		err = b.send(ctx, dir, path)
	}
	return b.explain(err)
}

// send sends a file whole, also where one of the same size and time is there.
func (b *Backend) send(ctx context.Context, dir, path string) error {
	return b.tool.Upload(ctx, dir, func(rate int64) []string {
		args := []string{"--whole-file", "--ignore-times"}
		if rate > 0 {
			args = append(args, fmt.Sprintf("--bwlimit=%d", max(1, rate>>10))) // KiB
		}
		return b.args(args, path, b.place.folder())
	})
}

// makeFolder makes the folder and those above it: rsync does that for the
// folders of a path that it sends.
func (b *Backend) makeFolder(ctx context.Context) (err error) {
	dir, err := b.tool.Folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.MkdirAll(filepath.Join(dir, b.place.dir), 0o700); err != nil {
		return err
	}
	from := dir + "/./" + strings.Trim(b.place.dir, "/") + "/"
	return b.tool.Run(ctx, dir, nil, b.args([]string{"--relative", "--dirs"}, from, b.place.root())...)
}

// Get implements driver.Backend. The object is fetched whole before a byte of it
// is given.
func (b *Backend) Get(ctx context.Context, name string) (_ io.ReadCloser, err error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return nil, err
	}
	dir, err := b.tool.Folder()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := append([]string{"--dirs", "--whole-file"}, only(name)...)
	err = b.tool.Run(ctx, dir, nil, b.args(args, b.place.folder(), dir+"/")...)
	if missingFolder(err) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, b.explain(err)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err // it isn't there, on the target either
	}
	return &reader{ctx, f}, nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context // of the Get that this reader belongs to
	f   *os.File
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.f.Read(p)
}

func (r *reader) Close() error { return r.f.Close() }

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return driver.Info{}, err
	}
	list, err := b.list(ctx, only(name)...)
	if err != nil {
		return driver.Info{}, b.explain(err)
	}
	for _, info := range list {
		if info.Name == name {
			return info, nil
		}
	}
	return driver.Info{}, &fs.PathError{Op: "stat", Path: b.place.folder() + name, Err: fs.ErrNotExist}
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	all, err := b.list(ctx)
	if err != nil {
		return nil, b.explain(err)
	}
	var list []driver.Info
	for _, info := range all {
		if strings.HasPrefix(info.Name, prefix) && driver.CheckName(info.Name) == nil {
			list = append(list, info)
		}
	}
	return list, nil
}

func (b *Backend) list(ctx context.Context, filter ...string) ([]driver.Info, error) {
	args := append([]string{"--list-only", "--dirs", "--8-bit-output", "--no-human-readable"}, filter...)
	out, err := b.tool.Output(ctx, "", b.args(args, b.place.folder())...)
	if missingFolder(err) {
		return nil, nil
	}
	var exit *program.ExitError
	if errors.As(err, &exit) && exit.Status == statusVanished {
		err = nil // a file went while the list was made: it is as if it had gone before
	}
	if err != nil {
		return nil, err
	}
	return parseList(out)
}

// Delete implements driver.Backend. rsync deletes what the source lacks, and the
// source is an empty directory; its filter keeps it from all but the object.
func (b *Backend) Delete(ctx context.Context, name string) (err error) {
	if _, err := b.Stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
		return nil // and no folder is made
	} else if err != nil {
		return err
	}
	dir, err := b.tool.Folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := append([]string{"--dirs", "--delete"}, only(name)...)
	return b.explain(b.tool.Run(ctx, dir, nil, b.args(args, dir+"/", b.place.folder())...))
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend.
func (b *Backend) Close() error { return b.tool.Close() }

// args puts a command line together. The user's options come after ours, and
// what is copied last.
func (b *Backend) args(options []string, operands ...string) []string {
	args := append(b.place.options(), options...)
	args = append(args, b.more...)
	return append(append(args, "--"), operands...)
}

// only is a filter that one file of the folder passes, whatever its name.
func only(name string) []string {
	pattern := "/" + name
	// A backslash is special only where one of the others is there too.
	if strings.ContainsAny(name, "*?[") {
		pattern = "/" + strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
	}
	return []string{"--exclude=" + pattern + "/", "--include=" + pattern, "--exclude=*"}
}
