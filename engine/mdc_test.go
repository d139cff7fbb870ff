package engine_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/internal/pgp"
	"github.com/purser-backup/purser/internal/secret"
)

// A volume whose modification detection code doesn't fit its content is damaged,
// whatever hash the manifest has for it. A restore takes it only where the manifest,
// encrypted like it, has its SHA-256: then it is what was written there. Verify finds
// it there too.
func TestModificationDetection(t *testing.T) {
	t.Parallel()
	const pass = "open sesame"
	f := small(t)
	s := newSite(t, pass, f.dir)
	s.opt.VolumeSize = 64 << 20
	s.backup(f.dir)
	want := snapshot(t, f.dir, exact)
	prefix := filepath.Join(s.target, "duplicity-full."+epoch.Format("20060102T150405Z"))
	volume, manifest := prefix+".vol1.difftar.gpg", prefix+".manifest"
	stored, err := os.ReadFile(volume)
	f.check(err)
	stored[len(stored)-1] ^= 1 // of the code
	f.check(os.WriteFile(volume, stored, 0o600))
	text := string(opened(t, pass, manifest+".gpg"))
	weak, strong := fmt.Sprintf("Hash SHA1 %x", sha1.Sum(stored)), fmt.Sprintf("Hash SHA256 %x", sha256.Sum256(stored))
	hashes := regexp.MustCompile(`Hash SHA1 \w+\n\s*Hash SHA256 \w+`)
	if len(hashes.FindAllString(text, -1)) != 1 {
		t.Fatalf("not the manifest of one volume with two hashes:\n%s", text)
	}
	fitting := hashes.ReplaceAllString(text, weak+"\n    "+strong)
	for _, test := range []struct {
		name, text string
		encrypted  bool
		good       bool
	}{
		{"as it was", text, true, false},
		{"SHA-1 alone, as duplicity", hashes.ReplaceAllString(text, weak), true, false},
		{"fitting SHA-256", fitting, true, true},
		{"fitting SHA-256 in the clear", fitting, false, false},
	} {
		f.check(os.RemoveAll(manifest))
		f.check(os.RemoveAll(manifest + ".gpg"))
		if test.encrypted {
			f.check(os.WriteFile(manifest+".gpg", sealed(t, pass, test.text), 0o600))
		} else {
			f.check(os.WriteFile(manifest, []byte(test.text), 0o600))
		}
		s.loseState()
		dest := filepath.Join(s.state, "dest")
		_, err := s.open().Restore(t.Context(), dest, engine.RestoreOptions{})
		var damaged *engine.CorruptError
		if test.good && err != nil || !test.good && (!errors.As(err, &damaged) || !strings.Contains(damaged.Object, "vol1")) {
			t.Errorf("%s: restore says %v", test.name, err)
		}
		if err == nil {
			sameTree(t, test.name, want, snapshot(t, dest, exact))
		}
		res, err := s.open().Verify(t.Context(), engine.VerifyOptions{})
		if err != nil || len(res.Damage) != 1 || res.Damage[0].Volume != 1 {
			t.Errorf("%s: verify finds %v, %v", test.name, res.Damage, err)
		}
	}
}

func opened(t *testing.T, pass, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	defer f.Close()
	d, err := pgp.NewDecryptor(pgp.DecryptOptions{Passphrase: secret.New(pass)})
	check(t, err)
	r, err := d.Decrypt(f)
	check(t, err)
	b, err := io.ReadAll(r)
	check(t, err)
	return b
}

func sealed(t *testing.T, pass, text string) []byte {
	t.Helper()
	e, err := pgp.NewPassphraseEncryptor(secret.New(pass), rand.Reader, time.Now)
	check(t, err)
	var b bytes.Buffer
	w, err := e.Encrypt(&b)
	check(t, err)
	_, err = io.WriteString(w, text)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}
