package engine

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// Type tells what kind of object an entry is.
type Type = format.Type

// The kinds of objects that a backup holds.
const (
	TypeFile        = format.File
	TypeDir         = format.Dir
	TypeSymlink     = format.Symlink
	TypeCharDevice  = format.CharDevice
	TypeBlockDevice = format.BlockDevice
	TypeFifo        = format.Fifo
)

// A Source is what a backup reads: an ordered walk of entries. A directory is
// one (see OpenDir); a remote tree or a stream can be another.
type Source interface {
	// Walk yields the root first and then every entry in strictly increasing
	// index order. An entry whose Err is set could not be read: its previous
	// state, and that of everything below it, is kept. An error as the second
	// value ends the walk.
	Walk(ctx context.Context) iter.Seq2[Entry, error]
}

// An Entry is one object of a Source.
type Entry struct {
	Path        string // relative to the root, "" for the root
	Type        Type
	Mode        uint32 // the 12 permission bits
	UID, GID    int
	User, Group string // names of the owners, empty if unknown
	ModTime     time.Time
	Size        int64  // bytes, of a regular file
	Linkname    string // target, of a symbolic link
	LinkGroup   string // the same non-empty text for all names of one hard-linked file
	Major       uint32 // device numbers, of a device
	Minor       uint32
	Xattrs      map[string]string // extended attributes by full name
	// Open returns the content of a regular file. It may be called once, at any
	// time before the walk goes on to the next entry or after. An error that
	// wraps fs.ErrNotExist says that the file is gone by now.
	Open func() (io.ReadCloser, error)
	// Err is set if the entry exists but could not be read.
	Err error
}

// header returns the entry's metadata as an archive stores it.
func (e *Entry) header(op format.Op) *format.Header {
	return &format.Header{
		Op: op, Path: e.Path, Type: e.Type, Mode: e.Mode, UID: e.UID, GID: e.GID,
		User: e.User, Group: e.Group, ModTime: e.ModTime, Linkname: e.Linkname,
		Major: e.Major, Minor: e.Minor, LinkGroup: e.LinkGroup, Xattrs: e.Xattrs, FileSize: -1,
	}
}
