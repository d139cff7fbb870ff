package format

import (
	"archive/tar"
	"fmt"
	"strings"
	"time"
)

// Archive is one of the two uses of tar.
type Archive uint8

// The archives: volumes and signatures.
const (
	Difftar Archive = iota
	Sigtar
)

// String returns the archive's name.
func (a Archive) String() string {
	if a == Sigtar {
		return "sigtar"
	}
	return "difftar"
}

// Op is what an entry says about its path.
type Op uint8

// The operations. The zero value is none.
const (
	Snapshot  Op = iota + 1 // the whole object; in a sigtar any object without data
	Diff                    // difftar only: a delta against the previous state
	Deleted                 // the object is gone
	Signature               // sigtar only: the signature of a regular file
)

// String returns the word that stands for the operation in the archive.
func (o Op) String() string {
	switch o {
	case Snapshot:
		return "snapshot"
	case Diff:
		return "diff"
	case Deleted:
		return "deleted"
	case Signature:
		return "signature"
	}
	return "unknown operation"
}

// Type is the type of an object. Its values are tar's type flags.
type Type byte

// The types that an archive can hold.
const (
	File        Type = tar.TypeReg
	Symlink     Type = tar.TypeSymlink
	CharDevice  Type = tar.TypeChar
	BlockDevice Type = tar.TypeBlock
	Dir         Type = tar.TypeDir
	Fifo        Type = tar.TypeFifo
)

func (t Type) valid() bool {
	switch t {
	case File, Symlink, CharDevice, BlockDevice, Dir, Fifo:
		return true
	}
	return false
}

// Header describes one entry.
type Header struct {
	Op   Op
	Path string // "" is the root
	// Piece is the number of the piece, from 1, of a file that is stored in several;
	// 0 if the entry is the whole of it. Difftar only.
	Piece int
	Type  Type
	Mode  uint32 // the 12 permission bits
	// UID and GID are numbers; User and Group their names, "" if unknown.
	UID, GID    int
	User, Group string
	// ModTime is the time of the last change, to the nanosecond and before 1970 too
	// if purser wrote the archive, else in whole seconds. A zero ModTime is written
	// as 1970.
	ModTime      time.Time
	Linkname     string // of a symlink
	Major, Minor uint32 // of a device
	Size         int64  // bytes of data in this entry; 0 unless Type is File

	// What follows is side data, in pax records that other tools ignore. It is
	// absent in what duplicity wrote.

	// FileSize is the size of the whole file, -1 if unknown. It is known without
	// side data where the entry holds the whole file.
	FileSize int64
	// LinkGroup is the same for all names of one file; "" if it has one name.
	LinkGroup string
	SHA256    []byte            // of the whole file, nil if absent
	Xattrs    map[string]string // extended attributes by full name
}

// wholeFile reports whether the entry's data is the file itself, all of it.
func (h *Header) wholeFile(a Archive) bool {
	return a == Difftar && h.Op == Snapshot && h.Type == File && h.Piece == 0
}

// check holds the header to the rules that are the same for writing and reading.
func (h *Header) check(a Archive) error {
	if err := CheckPath(h.Path); err != nil {
		return err
	}
	if !h.Type.valid() {
		return fmt.Errorf("%q has the unknown type %q", h.Path, byte(h.Type))
	}
	if err := h.checkOp(a); err != nil {
		return err
	}
	switch {
	case h.Size < 0 || h.Size > 0 && h.Type != File:
		return fmt.Errorf("%q has the impossible size %d", h.Path, h.Size)
	case h.Mode > 0o7777:
		return fmt.Errorf("%q has the impossible mode %o", h.Path, h.Mode)
	case !validID(h.UID) || !validID(h.GID):
		return fmt.Errorf("%q has the impossible owner %d:%d", h.Path, h.UID, h.GID)
	case h.SHA256 != nil && len(h.SHA256) != 32:
		return fmt.Errorf("%q has a SHA-256 of %d bytes", h.Path, len(h.SHA256))
	case h.FileSize < -1:
		return fmt.Errorf("%q has the impossible file size %d", h.Path, h.FileSize)
	case h.wholeFile(a) && h.FileSize >= 0 && h.FileSize != h.Size:
		return fmt.Errorf("%q has %d bytes, but its file size is %d", h.Path, h.Size, h.FileSize)
	}
	for _, s := range []string{h.Linkname, h.User, h.Group, h.LinkGroup} {
		if strings.IndexByte(s, 0) >= 0 {
			return fmt.Errorf("%q has a NUL byte in %q", h.Path, s)
		}
	}
	return nil
}

// validID tells whether a user or group number can be one: it has 32 bits, and all
// ones means "don't change" to the kernel.
func validID(id int) bool { return id >= 0 && int64(id) < 1<<32-1 }

// checkOp tells whether the operation fits the archive and the type.
func (h *Header) checkOp(a Archive) error {
	bad := func(why string) error { return fmt.Errorf("%s entry %q in a %s %s", h.Op, h.Path, a, why) }
	switch {
	case h.Op < Snapshot || h.Op > Signature,
		h.Op == Diff && a == Sigtar, h.Op == Signature && a == Difftar:
		return bad("can't be")
	case h.Op != Snapshot && h.Type != File:
		return bad("isn't a regular file")
	case h.Op == Deleted && h.Path == "":
		return bad("is the root")
	case h.Op == Deleted && h.Size != 0, a == Sigtar && h.Op == Snapshot && h.Size != 0:
		return bad("has data")
	case h.Piece < 0, h.Piece > 0 && (a == Sigtar || h.Op == Deleted || h.Type != File):
		return bad("can't have pieces")
	}
	return nil
}

// sequence checks that entries come in index order. The pieces of a file follow each
// other; the first one may have any number, since a file may go on in the next volume.
type sequence struct {
	started bool
	path    string
	op      Op
	piece   int
}

func (s *sequence) next(h *Header) error {
	if s.started {
		switch c := Compare(s.path, h.Path); {
		case c > 0:
			return fmt.Errorf("entry %q follows %q: not in index order", h.Path, s.path)
		case c == 0 && s.piece > 0 && h.Op == s.op && h.Piece == s.piece+1:
		case c == 0 && s.piece > 0 && h.Op == s.op && h.Piece > 0:
			return fmt.Errorf("piece %d of %q follows piece %d", h.Piece, h.Path, s.piece)
		case c == 0:
			return fmt.Errorf("second entry for %q", h.Path)
		}
	}
	*s = sequence{started: true, path: h.Path, op: h.Op, piece: h.Piece}
	return nil
}
