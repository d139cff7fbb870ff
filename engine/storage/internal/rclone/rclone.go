// Package rclone keeps objects in a folder of a remote of the program rclone.
package rclone

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/program"
	"github.com/purser-backup/purser/internal/secret"
)

// Location is a folder of a remote.
type Location struct {
	Remote string // its name in rclone's configuration
	Dir    string // as rclone takes it; empty is the remote's top
}

// Options are rclone's own settings.
type Options struct {
	Config string                   // its file of remotes; empty: where rclone looks
	Env    map[string]secret.String // RCLONE_... variables
}

const discardTimeout = time.Minute

// Backend is a driver.Backend over a folder of a remote. Where the remote is of
// buckets, rclone stores all or nothing. Elsewhere an object gets its name once it
// is there; on remotes that can't rename it is stored under its name at once, and
// a broken upload may be seen.
type Backend struct {
	root string // remote:folder, without a slash at its end unless it is the root
	tool *program.Tool
	now  func() time.Time

	mu       sync.Mutex
	features *features // nil until they are known
}

var _ driver.Backend = (*Backend)(nil)

type features struct{ BucketBased, Move bool }

// Open makes a client of a folder. Nothing is run yet.
func Open(l Location, o Options, p program.Options, limit *network.Limit, now func() time.Time) (*Backend, error) {
	env, files := map[string]secret.String{}, []string(nil)
	for name, value := range o.Env {
		env[name] = value
	}
	if o.Config != "" {
		env["RCLONE_CONFIG"] = secret.New(o.Config)
		files = append(files, o.Config)
	}
	root := l.Remote + ":" + l.Dir
	if trimmed := strings.TrimRight(l.Dir, "/"); trimmed != "" {
		root = l.Remote + ":" + trimmed
	}
	return &Backend{root: root, tool: program.NewTool("rclone", p, env, files, limit, now), now: now}, nil
}

// at is the place of a name.
func (b *Backend) at(name string) string {
	if strings.HasSuffix(b.root, ":") || strings.HasSuffix(b.root, "/") {
		return b.root + name
	}
	return b.root + "/" + name
}

// args puts a command line together. Faults are tried again above all drivers.
func args(command string, rest ...string) []string {
	return append([]string{command, "--retries=1", "--low-level-retries=3", "--timeout=2m", "--contimeout=30s", "--ask-password=false",
		"--stats=0", "--use-server-modtime"}, rest...)
}

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
	file := filepath.Join(dir, "object")
	if err := program.Stage(ctx, file, r, size); err != nil {
		return err
	}
	f, err := b.ask(ctx)
	if err != nil {
		return b.explain(err)
	}
	if f.BucketBased || !f.Move {
		return b.explain(b.send(ctx, dir, file, name))
	}
	temp := driver.TempPrefix + rand.Text()
	err = b.send(ctx, dir, file, temp)
	if err == nil {
		err = b.tool.Run(ctx, "", nil, args("moveto", "--ignore-times", "--", b.at(temp), b.at(name))...)
	}
	if err != nil {
		b.discard(ctx, temp)
	}
	return b.explain(err)
}

// send sends a file. rclone compares size and checksum, as far as the remote
// knows them.
func (b *Backend) send(ctx context.Context, dir, file, name string) error {
	return b.tool.Upload(ctx, dir, func(rate int64) []string {
		options := []string{"--ignore-times", "--no-check-dest"}
		if rate > 0 {
			options = append(options, fmt.Sprintf("--bwlimit=%dB", rate))
		}
		return args("copyto", append(options, "--", file, b.at(name))...)
	})
}

// discard takes an unfinished upload back, also when its context is done. What
// can't be removed stays hidden, and goes after two days.
func (b *Backend) discard(ctx context.Context, temp string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	_ = b.tool.Run(ctx, "", nil, args("deletefile", "--", b.at(temp))...)
}

// ask asks once what the remote can do, and then removes what uploads that died
// two days ago or earlier have left.
func (b *Backend) ask(ctx context.Context) (features, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.features != nil {
		return *b.features, nil
	}
	out, err := b.tool.Output(ctx, "", args("backend", "features", "--", b.root)...)
	if err != nil {
		return features{}, err
	}
	var answer struct{ Features features }
	if err := json.Unmarshal(out, &answer); err != nil {
		return features{}, fmt.Errorf("read what rclone says of %s: %w", b.root, err)
	}
	if !answer.Features.BucketBased && answer.Features.Move {
		b.removeAbandoned(ctx)
	}
	b.features = &answer.Features
	return answer.Features, nil
}

// removeAbandoned is a courtesy: its failures are no reason to fail a Put.
func (b *Backend) removeAbandoned(ctx context.Context) {
	list, err := b.list(ctx)
	if err != nil {
		return
	}
	for _, e := range list {
		if strings.HasPrefix(e.Name, driver.TempPrefix) && b.now().Sub(e.ModTime) > driver.AbandonedAfter {
			_ = b.tool.Run(ctx, "", nil, args("deletefile", "--", b.at(e.Name))...)
		}
	}
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return driver.Info{}, err
	}
	missing := &fs.PathError{Op: "stat", Path: b.at(name), Err: fs.ErrNotExist}
	out, err := b.tool.Output(ctx, "", args("lsjson", "--stat", "--no-mimetype", "--", b.at(name))...)
	if isMissing(err) {
		return driver.Info{}, missing
	}
	if err != nil {
		return driver.Info{}, b.explain(err)
	}
	var e *entry
	if err := json.Unmarshal(out, &e); err != nil {
		return driver.Info{}, fmt.Errorf("read what rclone says of %s: %w", b.at(name), err)
	}
	if e == nil || e.IsDir {
		return driver.Info{}, missing
	}
	return driver.Info{Name: name, Size: e.Size, ModTime: e.ModTime}, nil
}

// entry is what rclone lists.
type entry struct {
	Name    string
	Size    int64
	ModTime time.Time
	IsDir   bool
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := b.list(ctx)
	if err != nil {
		return nil, b.explain(err)
	}
	var list []driver.Info
	seen := map[string]bool{} // some remotes may have a name twice
	for _, e := range entries {
		if e.IsDir || seen[e.Name] || !strings.HasPrefix(e.Name, prefix) || driver.CheckName(e.Name) != nil {
			continue
		}
		seen[e.Name] = true
		list = append(list, driver.Info{Name: e.Name, Size: e.Size, ModTime: e.ModTime})
	}
	return list, nil
}

func (b *Backend) list(ctx context.Context) ([]entry, error) {
	out, err := b.tool.Output(ctx, "", args("lsjson", "--files-only", "--no-mimetype", "--", b.root)...)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []entry
	if err := json.Unmarshal(out, &entries); err != nil {
		return nil, fmt.Errorf("read rclone's list of %s: %w", b.root, err)
	}
	return entries, nil
}

// Delete implements driver.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	_, err := b.Stat(ctx, name)
	if err == nil {
		err = b.tool.Run(ctx, "", nil, args("deletefile", "--", b.at(name))...)
	}
	if errors.Is(err, fs.ErrNotExist) || isMissing(err) {
		return nil
	}
	return b.explain(err)
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend.
func (b *Backend) Close() error { return b.tool.Close() }
