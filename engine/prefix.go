package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/purser-backup/purser/engine/internal/format"
)

// Prefixes go before the names of objects, as duplicity's --file-prefix options
// put them: All first, then that of the kind. Objects with other prefixes are
// foreign, so one folder can hold several repositories.
type Prefixes struct {
	All, Volume, Manifest, Signatures string
}

func (p *Prefixes) of(kind format.Kind) string {
	switch kind {
	case format.KindVolume:
		return p.All + p.Volume
	case format.KindManifest:
		return p.All + p.Manifest
	}
	return p.All + p.Signatures
}

// key is the name under which an object is stored.
func (p *Prefixes) key(n format.Name) string { return p.of(n.Kind) + n.String() }

// suffix tells apart the state of repositories in one folder. It is empty
// without prefixes.
func (p *Prefixes) suffix() string {
	if *p == (Prefixes{}) {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{p.All, p.Volume, p.Manifest, p.Signatures}, "\x00")))
	return "-" + hex.EncodeToString(sum[:4])
}

// parse is the inverse of key, and reads the old styles of names too.
func (p *Prefixes) parse(key string) (format.Name, bool) {
	for _, kind := range []format.Kind{format.KindVolume, format.KindManifest, format.KindSignatures} {
		if rest, ok := strings.CutPrefix(key, p.of(kind)); ok {
			if n, ok := format.ParseName(rest); ok && n.Kind == kind {
				return n, true
			}
		}
	}
	return format.Name{}, false
}
