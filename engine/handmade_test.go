package engine_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A handmade set is put on a target without purser or duplicity: its volumes
// and signatures are tar archives in plain form.
type handmade struct {
	start, time time.Time // a zero start is a full set
	volumes     [][]byte
	signatures  []byte
	manifest    string // of handmadeManifest, if empty
}

// names are the beginnings of the names of volumes, signatures and manifest.
func (h handmade) names() (set, signatures string) {
	const layout = "20060102T150405Z"
	if h.start.IsZero() {
		return "duplicity-full." + h.time.Format(layout), "duplicity-full-signatures." + h.time.Format(layout)
	}
	times := h.start.Format(layout) + ".to." + h.time.Format(layout)
	return "duplicity-inc." + times, "duplicity-new-signatures." + times
}

// put stores the set on the site's target.
func (h handmade) put(s *site) {
	s.t.Helper()
	if err := os.MkdirAll(s.target, 0o700); err != nil {
		s.t.Fatal(err)
	}
	store := func(name string, b []byte) {
		s.t.Helper()
		if err := os.WriteFile(filepath.Join(s.target, name), b, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	set, signatures := h.names()
	manifest := fmt.Sprintf("Hostname %s\nLocaldir %s\n", s.opt.Hostname, s.opt.Localdir)
	for i, volume := range h.volumes {
		packed := gzipped(s.t, volume)
		store(fmt.Sprintf("%s.vol%d.difftar.gz", set, i+1), packed)
		manifest += record(i+1, packed)
	}
	if h.manifest != "" {
		manifest = h.manifest
	}
	store(set+".manifest", []byte(manifest))
	if h.signatures != nil {
		store(signatures+".sigtar.gz", gzipped(s.t, h.signatures))
	}
}

// record is a volume's in the manifest, wide enough for any path.
func record(number int, packed []byte) string {
	sum := sha1.Sum(packed)
	return fmt.Sprintf("Volume %d:\n    StartingPath   .  \n    EndingPath     \xff\xff\xff  \n    Hash SHA1 %s\n", number, hex.EncodeToString(sum[:]))
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
