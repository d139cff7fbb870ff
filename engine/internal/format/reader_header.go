package format

import (
	"archive/tar"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// headerFromTar reads an entry's header. Its errors wrap ErrCorrupt.
func headerFromTar(t *tar.Header, a Archive) (*Header, error) {
	h := &Header{Type: Type(t.Typeflag), Size: t.Size, FileSize: -1}
	if !h.Type.valid() {
		return nil, corrupt("entry has the type %q", t.Typeflag)
	}
	for key := range t.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return nil, corrupt("entry is a sparse map")
		}
	}
	if err := h.parseEntryName(t.Name, a); err != nil {
		return nil, err
	}
	if h.Op != Deleted {
		if err := h.readFields(t); err != nil {
			return nil, err
		}
		if err := h.readSideData(t.PAXRecords); err != nil {
			return nil, err
		}
	}
	if err := h.check(a); err != nil {
		return nil, corrupt("%v", err)
	}
	if h.wholeFile(a) {
		h.FileSize = h.Size
	}
	return h, nil
}

func (h *Header) readFields(t *tar.Header) error {
	h.Mode = uint32(t.Mode & 0o7777)
	h.UID, h.GID = t.Uid, t.Gid
	h.User, h.Group = t.Uname, t.Gname
	h.ModTime = t.ModTime
	switch h.Type {
	case Symlink:
		h.Linkname = t.Linkname
	case CharDevice, BlockDevice:
		if t.Devmajor < 0 || t.Devmajor > math.MaxUint32 || t.Devminor < 0 || t.Devminor > math.MaxUint32 {
			return corrupt("device has the impossible numbers %d, %d", t.Devmajor, t.Devminor)
		}
		h.Major, h.Minor = uint32(t.Devmajor), uint32(t.Devminor)
	}
	if h.Type != File {
		h.Size = 0 // a type without data; readers of tar ignore what stands there
	}
	return nil
}

// parseEntryName reads operation, path and piece.
func (h *Header) parseEntryName(name string, a Archive) error {
	word, path, ok := strings.Cut(name, "/")
	if !ok && h.Type != Dir {
		return corrupt("entry %q has no path", name)
	}
	word, multi := strings.CutPrefix(word, "multivol_")
	switch {
	case word == "snapshot":
		h.Op = Snapshot
	case word == "diff" && a == Difftar:
		h.Op = Diff
	case word == "deleted" && !multi:
		h.Op = Deleted
	case word == "signature" && a == Sigtar:
		h.Op = Signature
	}
	if h.Op == 0 || multi && a == Sigtar {
		return corrupt("entry %q begins with an unknown word", name)
	}
	if multi {
		base, number, ok := cutLast(path, "/")
		if !ok {
			return corrupt("entry %q has no piece number", name)
		}
		if h.Piece, ok = parseNumber(number, 10); !ok {
			return corrupt("entry %q has a bad piece number", name)
		}
		path = base
	}
	if h.Type == Dir {
		path = strings.TrimSuffix(path, "/")
	}
	if path == "." {
		path = ""
	}
	h.Path = path
	return nil
}

// readSideData reads the private records. One with a value that this package would
// not have written is damage; unknown keys are not ours to judge.
func (h *Header) readSideData(records map[string]string) (err error) {
	for key, value := range records {
		switch key {
		case recordTime:
			if h.ModTime, err = parseModTime(value); err != nil {
				return err
			}
		case recordLink:
			if value == "" {
				return corrupt("empty link group")
			}
			h.LinkGroup = value
		case recordSHA256:
			sum, err := hex.DecodeString(value)
			if err != nil || len(sum) != 32 || hex.EncodeToString(sum) != value {
				return corrupt("bad SHA-256 %q", value)
			}
			h.SHA256 = sum
		case recordFileSize:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 || strconv.FormatInt(n, 10) != value || h.Type != File {
				return corrupt("bad file size %q", value)
			}
			h.FileSize = n
		default:
			if name, ok := strings.CutPrefix(key, recordXattr); ok {
				plain := unescapeXattr.Replace(name)
				if name == "" || escapeXattr.Replace(plain) != name {
					return corrupt("bad name of an extended attribute: %q", name)
				}
				if h.Xattrs == nil {
					h.Xattrs = make(map[string]string)
				}
				h.Xattrs[plain] = value
			}
		}
	}
	return nil
}
