package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/purser-backup/purser/engine"
)

func lsCommand() *command {
	return &command{
		name: "ls", args: "[--time T] [--profile NAME] [PATH]", max: 1,
		summary: "list the files in a backup",
		example: "purser ls --time 2026-05-20 dump/shop",
		help: `Lists everything in the newest backup, or what is at and below PATH.

  --time T   the newest backup at or before T; written as for purser restore
` + profileReadHelp + `
With --output json the result is a list of {path, type, mode, uid, gid, user, group,
mtime, size, target}; size is null where the archive doesn't tell it.
` + exitHelp(exitNoBackup, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.StringVar(&f.time, "time", "", "")
			profileFlag(fs, f)
		},
		run: runLs,
	}
}

func runLs(ctx context.Context, inv *invocation) error {
	var o engine.FilesOptions
	if len(inv.args) == 1 {
		o.Path = cleanPath(inv.args[0])
	}
	var err error
	if o.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	return inv.learning(ctx, func() error { return inv.list(ctx, o) })
}

func (inv *invocation) list(ctx context.Context, o engine.FilesOptions) error {
	if err := inv.chooseProfile(ctx, o.Time); err != nil {
		return err
	}
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return err
	}
	defer repo.Close()
	// A backup may hold millions of files: they are printed as they come.
	out := bufio.NewWriterSize(inv.stdout, 64<<10)
	list := fileList(&textList{w: out, loc: inv.location()})
	if inv.json() {
		list = &jsonList{w: out, loc: inv.location()}
	}
	found := 0
	if err := repo.Files(ctx, o, func(f engine.File) error { found++; return list.add(f) }); err != nil {
		return err
	}
	if found == 0 && o.Path != "" {
		return &hinted{fmt.Errorf("%w of path %q", engine.ErrNoBackup, o.Path), "`purser ls` without a path lists everything"}
	}
	if err := list.end(); err != nil {
		return err
	}
	return out.Flush()
}

// fileList prints files one by one.
type fileList interface {
	add(engine.File) error
	end() error
}

type textList struct {
	w    io.Writer
	loc  *time.Location
	line []byte
}

// add does without fmt, for the sake of a million lines.
func (l *textList) add(f engine.File) error {
	owner, group := f.User, f.Group
	if owner == "" {
		owner = strconv.Itoa(f.UID)
	}
	if group == "" {
		group = strconv.Itoa(f.GID)
	}
	size := "-"
	if f.Type == engine.TypeFile && f.Size >= 0 {
		size = formatSize(f.Size)
	}
	name := f.Path
	if name == "" {
		name = "."
	}
	b := append(l.line[:0], fileMode(f).String()...)
	b = append(b, "  "...)
	b = appendPadded(b, printable(owner), -8)
	b = append(b, ' ')
	b = appendPadded(b, printable(group), -8)
	b = append(b, ' ')
	b = appendPadded(b, size, 9)
	b = append(b, "  "...)
	b = append(b, formatTime(f.ModTime.In(l.loc))...)
	b = append(b, "  "...)
	b = append(b, printable(name)...)
	if f.Type == engine.TypeSymlink {
		b = append(append(b, " -> "...), printable(f.Linkname)...)
	}
	l.line = append(b, '\n')
	_, err := l.w.Write(l.line)
	return err
}

// appendPadded appends s with blanks to the left, or to the right where width is
// negative, as %*s does.
func appendPadded(b []byte, s string, width int) []byte {
	const blanks = "         "
	missing := max(max(width, -width)-utf8.RuneCountInString(s), 0)
	if width < 0 {
		return append(append(b, s...), blanks[:missing]...)
	}
	return append(append(b, blanks[:missing]...), s...)
}

func (l *textList) end() error { return nil }

// fileMode renders type and permissions as ls does.
func fileMode(f engine.File) fs.FileMode {
	mode := fs.FileMode(f.Mode & 0o777)
	for _, special := range [...]struct {
		bit  uint32
		flag fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if f.Mode&special.bit != 0 {
			mode |= special.flag
		}
	}
	switch f.Type {
	case engine.TypeDir:
		mode |= fs.ModeDir
	case engine.TypeSymlink:
		mode |= fs.ModeSymlink
	case engine.TypeCharDevice:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case engine.TypeBlockDevice:
		mode |= fs.ModeDevice
	case engine.TypeFifo:
		mode |= fs.ModeNamedPipe
	}
	return mode
}

// jsonList writes one list, an entry to a line.
type jsonList struct {
	w     io.Writer
	loc   *time.Location
	count int
}

type jsonFile struct {
	Path    string    `json:"path"`
	Type    string    `json:"type"`
	Mode    string    `json:"mode"` // octal
	UID     int       `json:"uid"`
	GID     int       `json:"gid"`
	User    string    `json:"user"`
	Group   string    `json:"group"`
	ModTime time.Time `json:"mtime"`
	Size    *int64    `json:"size"`
	Target  string    `json:"target,omitempty"`
}

func (l *jsonList) add(f engine.File) error {
	entry := jsonFile{
		Path: f.Path, Type: typeName(f.Type), Mode: fmt.Sprintf("%04o", f.Mode), UID: f.UID, GID: f.GID,
		User: f.User, Group: f.Group, ModTime: f.ModTime.In(l.loc), Target: f.Linkname,
	}
	if f.Type == engine.TypeFile && f.Size >= 0 {
		entry.Size = &f.Size
	}
	b, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("write the list as JSON: %w", err)
	}
	separator := ",\n  "
	if l.count == 0 {
		separator = "[\n  "
	}
	l.count++
	_, err = fmt.Fprintf(l.w, "%s%s", separator, b)
	return err
}

func (l *jsonList) end() error {
	if l.count == 0 {
		_, err := io.WriteString(l.w, "[]\n")
		return err
	}
	_, err := io.WriteString(l.w, "\n]\n")
	return err
}

func typeName(t engine.Type) string {
	switch t {
	case engine.TypeDir:
		return "dir"
	case engine.TypeSymlink:
		return "symlink"
	case engine.TypeCharDevice:
		return "char device"
	case engine.TypeBlockDevice:
		return "block device"
	case engine.TypeFifo:
		return "fifo"
	}
	return "file"
}
