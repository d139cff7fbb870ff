package format

import (
	"strconv"
	"strings"
	"time"
)

// Kind is what an object holds. The zero value is no kind.
type Kind uint8

// The kinds of objects.
const (
	KindVolume     Kind = iota + 1 // data, a difftar
	KindManifest                   // the manifest
	KindSignatures                 // signatures, a sigtar
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case KindVolume:
		return "volume"
	case KindManifest:
		return "manifest"
	case KindSignatures:
		return "signatures"
	}
	return "unknown kind"
}

// Suffix tells how an object's bytes are wrapped.
type Suffix uint8

// The suffixes: none, .gz and .gpg.
const (
	Plain Suffix = iota
	Gzip
	Encrypted
)

// String returns the suffix as it stands in a name, for example ".gpg".
func (s Suffix) String() string {
	switch s {
	case Gzip:
		return ".gz"
	case Encrypted:
		return ".gpg"
	}
	return ""
}

// Style is the way in which an object's name is written.
type Style uint8

// The styles. Only the current one is ever written.
const (
	Current Style = iota // duplicity-full.20231114T221320Z.vol1.difftar.gpg
	Short                // df.s44we8.1.dt.g
	Old                  // duplicity-full.2023-11-14T17:13:20-05:00.vol1.difftar.gpg
)

// Name is the parsed name of an object. It is comparable with ==.
type Name struct {
	Kind   Kind
	Start  time.Time // end of the set that an incremental builds on; zero for a full; UTC
	Time   time.Time // of the set itself; UTC, whole seconds
	Volume int       // from 1; 0 unless Kind is KindVolume
	Part   bool      // an unfinished local copy; never on a target
	Suffix Suffix
	// Style is how the name was written when it was parsed. An object with another
	// style than Current has to be fetched under the name that was listed.
	Style Style
}

// timeLayout is the form of all times in names.
const timeLayout = "20060102T150405Z"

// Full reports whether the object belongs to a full set.
func (n Name) Full() bool { return n.Start.IsZero() }

// String returns the name in the current style, whatever Style says. What it
// returns for a name that ParseName would not give is unspecified.
func (n Name) String() string {
	var b strings.Builder
	switch {
	case n.Kind == KindSignatures && n.Full():
		b.WriteString("duplicity-full-signatures.")
	case n.Kind == KindSignatures:
		b.WriteString("duplicity-new-signatures.")
	case n.Full():
		b.WriteString("duplicity-full.")
	default:
		b.WriteString("duplicity-inc.")
	}
	if !n.Full() {
		b.WriteString(n.Start.UTC().Format(timeLayout))
		b.WriteString(".to.")
	}
	b.WriteString(n.Time.UTC().Format(timeLayout))
	switch n.Kind {
	case KindVolume:
		b.WriteString(".vol")
		b.WriteString(strconv.Itoa(n.Volume))
		b.WriteString(".difftar")
	case KindManifest:
		b.WriteString(".manifest")
	case KindSignatures:
		b.WriteString(".sigtar")
	}
	if n.Part {
		b.WriteString(".part")
	}
	b.WriteString(n.Suffix.String())
	return b.String()
}

// ParseName reads the name of an object in any style. ok is false for every name
// outside the grammar, for example of a temporary copy or of a foreign file.
// A name that is accepted in the current style is what String gives back.
func ParseName(s string) (n Name, ok bool) {
	if n, ok = parseWords(s, parseCompactTime); ok {
		return n, true
	}
	if n, ok = parseWords(s, parseOldTime); ok {
		n.Style = Old
		return n, true
	}
	return parseShort(s)
}

// parseWords reads the current and the old style, which differ in their times.
func parseWords(s string, parseTime func(string) (time.Time, bool)) (n Name, ok bool) {
	s, n.Suffix = cutSuffix(s, ".gz", ".gpg")
	s, n.Part = strings.CutSuffix(s, ".part")
	times := s
	switch {
	case strings.HasSuffix(s, ".difftar"):
		var volume string
		times, volume, ok = cutLast(strings.TrimSuffix(s, ".difftar"), ".vol")
		if !ok || n.Part {
			return Name{}, false
		}
		n.Kind = KindVolume
		if n.Volume, ok = parseNumber(volume, 10); !ok {
			return Name{}, false
		}
	case strings.HasSuffix(s, ".manifest"):
		n.Kind = KindManifest
		times = strings.TrimSuffix(s, ".manifest")
	case strings.HasSuffix(s, ".sigtar"):
		n.Kind = KindSignatures
		times = strings.TrimSuffix(s, ".sigtar")
	default:
		return Name{}, false
	}
	fullWord, incWord := "duplicity-full.", "duplicity-inc."
	if n.Kind == KindSignatures {
		fullWord, incWord = "duplicity-full-signatures.", "duplicity-new-signatures."
	}
	if rest, isFull := strings.CutPrefix(times, fullWord); isFull {
		n.Time, ok = parseTime(rest)
		return n, ok
	}
	rest, isInc := strings.CutPrefix(times, incWord)
	start, end, isPair := strings.Cut(rest, ".to.")
	if !isInc || !isPair {
		return Name{}, false
	}
	if n.Start, ok = parseTime(start); !ok {
		return Name{}, false
	}
	n.Time, ok = parseTime(end)
	return n, ok
}

// cutSuffix removes the suffix that tells the wrapping.
func cutSuffix(s, gzip, encrypted string) (string, Suffix) {
	if rest, ok := strings.CutSuffix(s, gzip); ok {
		return rest, Gzip
	}
	if rest, ok := strings.CutSuffix(s, encrypted); ok {
		return rest, Encrypted
	}
	return s, Plain
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// parseNumber reads a volume's number or a piece's: from 1, without padding or sign.
func parseNumber(s string, base int) (int, bool) {
	if s == "" || s[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(s) {
		if !isDigit(c) && (base == 10 || c < 'a' || c > 'z') {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, base, 32)
	return int(n), err == nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// parseCompactTime reads exactly YYYYMMDDTHHMMSSZ.
func parseCompactTime(s string) (time.Time, bool) {
	if len(s) != len(timeLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(timeLayout, s)
	return checkNameTime(t.UTC(), err == nil && t.Format(timeLayout) == s)
}

// checkNameTime refuses times that no set can have, among them the zero time, which
// would make a full of an incremental.
func checkNameTime(t time.Time, ok bool) (time.Time, bool) {
	if !ok || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}
