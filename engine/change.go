package engine

import (
	"maps"
	"os/user"
	"strconv"

	"github.com/purser-backup/purser/engine/internal/format"
)

// comparer tells whether an object is as the archive describes it (FORMAT.md
// "Change detection").
type comparer struct {
	uids, gids map[string]int
}

func newComparer() *comparer { return &comparer{uids: map[string]int{}, gids: map[string]int{}} }

// same reports whether e needs no new entry, given its newest entry h.
func (c *comparer) same(h *format.Header, e *Entry) bool {
	if h.Type != e.Type {
		return false
	}
	switch e.Type {
	case format.Symlink:
		return h.Linkname == e.Linkname
	case format.CharDevice, format.BlockDevice:
		return c.sameOwner(h, e) && sameXattrs(h, e) && h.Major == e.Major && h.Minor == e.Minor
	case format.File:
		if h.FileSize >= 0 && h.FileSize != e.Size || byPurser(h) && h.LinkGroup == "" && e.LinkGroup != "" {
			return false
		}
	}
	return c.sameOwner(h, e) && sameXattrs(h, e) && sameTime(h, e)
}

// byPurser reports whether purser archived a regular file: duplicity has no
// place for a hash.
func byPurser(h *format.Header) bool { return h.Type == format.File && h.SHA256 != nil }

// sameXattrs ignores the attributes of files that duplicity archived without
// them: what has changed otherwise brings them in.
func sameXattrs(h *format.Header, e *Entry) bool {
	byDuplicity := h.Type == format.File && !byPurser(h)
	return byDuplicity || maps.Equal(h.Xattrs, e.Xattrs)
}

// sameTime compares to the nanosecond where the archive has them, else to the
// second; duplicity stores every time before 1970 as 0.
func sameTime(h *format.Header, e *Entry) bool {
	if byPurser(h) || h.ModTime.Nanosecond() != 0 || h.ModTime.Unix() < 0 {
		return h.ModTime.Equal(e.ModTime)
	}
	return max(h.ModTime.Unix(), 0) == max(e.ModTime.Unix(), 0)
}

// sameOwner compares permissions and owners; a stored name counts as the
// account that has it here.
func (c *comparer) sameOwner(h *format.Header, e *Entry) bool {
	return h.Mode == e.Mode &&
		localID(c.uids, h.User, h.UID, lookupUID) == e.UID &&
		localID(c.gids, h.Group, h.GID, lookupGID) == e.GID
}

// localID returns the number that the account called name has on this
// machine, or the stored number where there is no such account.
func localID(known map[string]int, name string, stored int, find func(string) (string, error)) int {
	if name == "" {
		return stored
	}
	id, ok := known[name]
	if !ok {
		id = -1
		if text, err := find(name); err == nil {
			if n, err := strconv.Atoi(text); err == nil {
				id = n
			}
		}
		known[name] = id
	}
	if id < 0 {
		return stored
	}
	return id
}

func lookupUID(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func lookupGID(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
