package pgp

import (
	"bytes"
	"crypto/sha1"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

func TestIteratedAsGoCrypto(t *testing.T) {
	for _, phrase := range []string{"", "x", "correct horse", strings.Repeat("long", 20_000)} {
		for _, count := range []int{1024, 1088, 65536, 100_000} {
			for _, length := range []int{16, 20, 32} {
				got, want := make([]byte, length), make([]byte, length)
				salt := []byte("saltsalt")
				iterated(got, sha1.New(), []byte(phrase), salt, count)
				s2k.Iterated(want, sha1.New(), []byte(phrase), salt, count)
				if !bytes.Equal(got, want) {
					t.Errorf("%d bytes of phrase, count %d, %d bytes of key: got %x, want %x", len(phrase), count, length, got, want)
				}
			}
		}
	}
}
