package format

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Manifest describes the volumes of a set.
type Manifest struct {
	Hostname string
	Localdir string         // the source as it was given; may be relative
	Volumes  []VolumeRecord // ascending by number
	Changes  []Change       // regular files only; may be missing
	// Ended says that a file list was read that is as long as it announces: what
	// stands before it was not lost by a cut. Bytes always writes one.
	Ended bool
}

// VolumeRecord describes one volume.
type VolumeRecord struct {
	Number int // from 1
	// First and Last are the positions of the first and the last entry. A volume
	// without entries has the root as First and the previous volume's Last path.
	First, Last Position
	// SHA1 and SHA256 are the hashes of the stored object in lower-case hexadecimal,
	// "" if absent. Duplicity needs SHA1.
	SHA1, SHA256 string
	Other        []Hash // hashes with other algorithms, in the order of the file
}

// Hash is a hash that this package doesn't know, as it stands in the manifest.
type Hash struct{ Algorithm, Value string }

// Position is the place of an entry in a set.
type Position struct {
	Path  string
	Block int // number of the piece if it isn't the file's last one, from 1; else 0
}

// Change is what happened to one regular file.
type Change struct {
	Status string // new, changed or deleted
	Path   string
}

// The statuses of a [Change].
const (
	StatusNew     = "new"     // stored whole
	StatusChanged = "changed" // stored as a delta
	StatusDeleted = "deleted"
)

// Bytes returns the manifest in the bytes that duplicity writes. Records stand in
// the order of m.Volumes, which must be ascending.
func (m *Manifest) Bytes() []byte {
	var b bytes.Buffer
	if m.Hostname != "" {
		fmt.Fprintf(&b, "Hostname %s\n", quote(m.Hostname))
	}
	if m.Localdir != "" {
		fmt.Fprintf(&b, "Localdir %s\n", quote(m.Localdir))
	}
	for i := range m.Volumes {
		m.Volumes[i].writeTo(&b)
	}
	fmt.Fprintf(&b, "Filelist %d\n", len(m.Changes))
	for _, c := range m.Changes {
		fmt.Fprintf(&b, "    %-7s  %s\n", c.Status, quote(manifestPath(c.Path)))
	}
	return b.Bytes()
}

func (v *VolumeRecord) writeTo(b *bytes.Buffer) {
	fmt.Fprintf(b, "Volume %d:\n", v.Number)
	fmt.Fprintf(b, "    StartingPath   %s\n", v.First)
	fmt.Fprintf(b, "    EndingPath     %s\n", v.Last)
	if v.SHA1 != "" {
		fmt.Fprintf(b, "    Hash SHA1 %s\n", v.SHA1)
	}
	if v.SHA256 != "" {
		fmt.Fprintf(b, "    Hash SHA256 %s\n", v.SHA256)
	}
	for _, h := range v.Other {
		fmt.Fprintf(b, "    Hash %s %s\n", h.Algorithm, h.Value)
	}
}

// String returns the position as a manifest writes it.
func (p Position) String() string {
	block := " "
	if p.Block > 0 {
		block = strconv.Itoa(p.Block)
	}
	return quote(manifestPath(p.Path)) + " " + block
}

// manifestPath gives the root its written form.
func manifestPath(path string) string {
	if path == "" {
		return "."
	}
	return path
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// quote wraps a value that holds white space, a backslash or a quote mark in double
// quotes, with those bytes as \xHH. Everything else, also what is not UTF-8, stays.
func quote(s string) string {
	special := func(c byte) bool { return isSpace(c) || c == '\\' || c == '"' || c == '\'' }
	plain := true
	for _, c := range []byte(s) {
		plain = plain && !special(c)
	}
	if plain && s != "" {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if special(c) {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquote reverses quote. A value that doesn't begin with a double quote stands for
// itself.
func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", corrupt("unfinished quoted value %s", s)
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if len(s)-i < 4 || s[i+1] != 'x' {
			return "", corrupt("bad escape in quoted value %q", s)
		}
		c, err := strconv.ParseUint(s[i+2:i+4], 16, 8)
		if err != nil {
			return "", corrupt("bad escape in quoted value %q", s)
		}
		b.WriteByte(byte(c))
		i += 3
	}
	return b.String(), nil
}
