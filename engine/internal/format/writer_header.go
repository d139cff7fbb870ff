package format

import (
	"archive/tar"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The keys of side data. FORMAT.md of the engine describes their values.
const (
	recordTime     = "PURSER.mtime"
	recordLink     = "PURSER.link"
	recordSHA256   = "PURSER.sha256"
	recordFileSize = "PURSER.size"
	recordXattr    = "SCHILY.xattr."
)

// entryName returns the name of the entry in the archive.
func (h *Header) entryName(a Archive) string {
	path := h.Path
	if h.Piece > 0 {
		return "multivol_" + h.Op.String() + "/" + manifestPath(path) + "/" + strconv.Itoa(h.Piece)
	}
	switch {
	case h.Type == Dir && path == "" && a == Difftar:
		path = "./"
	case h.Type != Dir && path == "":
		path = "." // duplicity writes nothing here, which archive/tar refuses; it reads both
	case h.Type == Dir && path != "":
		path += "/"
	}
	return h.Op.String() + "/" + path
}

func (h *Header) toTar(a Archive) *tar.Header {
	t := &tar.Header{
		Format:   tar.FormatPAX,
		Typeflag: byte(h.Type),
		Name:     h.entryName(a),
		Size:     h.Size,
		ModTime:  time.Unix(0, 0),
	}
	if h.Op == Deleted {
		return t
	}
	t.Mode, t.Uid, t.Gid = int64(h.Mode), h.UID, h.GID
	t.Uname, t.Gname = h.User, h.Group
	// Duplicity crashes on a negative time.
	if secs := h.ModTime.Unix(); secs > 0 {
		t.ModTime = time.Unix(secs, 0)
	}
	switch h.Type {
	case Symlink:
		t.Linkname = h.Linkname
	case CharDevice, BlockDevice:
		t.Devmajor, t.Devminor = int64(h.Major), int64(h.Minor)
	}
	t.PAXRecords = h.sideData(a)
	for _, s := range []string{t.Name, t.Linkname, t.Uname, t.Gname} {
		if !utf8.ValidString(s) {
			if t.PAXRecords == nil {
				t.PAXRecords = make(map[string]string)
			}
			t.PAXRecords["hdrcharset"] = "BINARY"
			break
		}
	}
	return t
}

// sideData returns the private records, nil if there are none.
func (h *Header) sideData(a Archive) map[string]string {
	var records map[string]string
	add := func(key, value string) {
		if records == nil {
			records = make(map[string]string)
		}
		records[key] = value
	}
	if s := formatModTime(h.ModTime); s != "" {
		add(recordTime, s)
	}
	if h.LinkGroup != "" {
		add(recordLink, h.LinkGroup)
	}
	if h.SHA256 != nil {
		add(recordSHA256, hex.EncodeToString(h.SHA256))
	}
	if h.Type == File && h.FileSize >= 0 && !h.wholeFile(a) {
		add(recordFileSize, strconv.FormatInt(h.FileSize, 10))
	}
	for name, value := range h.Xattrs {
		add(recordXattr+escapeXattr.Replace(name), value)
	}
	return records
}

// A pax key holds no "=". GNU tar escapes it like this too.
var (
	escapeXattr   = strings.NewReplacer("%", "%25", "=", "%3D")
	unescapeXattr = strings.NewReplacer("%25", "%", "%3D", "=")
)

// formatModTime returns the side data for a time that a tar header can't hold: not
// in whole seconds, or before 1970. It is a decimal number of seconds since 1970 with
// nine digits after the point; "" means that no side data is needed.
func formatModTime(t time.Time) string {
	secs, nanos := t.Unix(), t.Nanosecond()
	if t.IsZero() || secs >= 0 && nanos == 0 {
		return ""
	}
	sign := ""
	if secs < 0 {
		sign = "-"
		secs = -secs
		if nanos > 0 {
			secs, nanos = secs-1, 1e9-nanos
		}
	}
	return fmt.Sprintf("%s%d.%09d", sign, secs, nanos)
}

// parseModTime reads what formatModTime wrote, and nothing else.
func parseModTime(s string) (time.Time, error) {
	abs, negative := strings.CutPrefix(s, "-")
	whole, fraction, _ := strings.Cut(abs, ".")
	secs, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, corrupt("bad time %q", s)
	}
	nanos, err := strconv.ParseInt(fraction, 10, 64)
	if err != nil {
		return time.Time{}, corrupt("bad time %q", s)
	}
	if negative {
		secs, nanos = -secs, -nanos
	}
	t := time.Unix(secs, nanos)
	if formatModTime(t) != s {
		return time.Time{}, corrupt("bad time %q", s)
	}
	return t, nil
}
