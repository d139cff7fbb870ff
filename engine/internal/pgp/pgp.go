// Package pgp encrypts and decrypts the objects of a repository: one OpenPGP
// message each, as GnuPG reads and writes it (RFC 4880; FORMAT.md "Encryption").
//
// A message is for a passphrase (3.7, 5.3) or for public keys (5.1), and may be
// signed inside (5.4). Keys are read from a folder such as GnuPG's home, in every
// form that GnuPG leaves there: key files, keyrings, the keybox, and the agent's
// own files with secret keys, which are found by keygrip. gpg isn't run.
//
// Packet framing and the integrity-protected packet are written here, over the
// standard library's AES, CFB and SHA-1: that is where the time goes. Parsing
// of foreign packets, and what is done with keys, are go-crypto's.
package pgp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"strings"

	"golang.org/x/crypto/blowfish"
	"golang.org/x/crypto/cast5"
	"golang.org/x/crypto/twofish"

	"github.com/purser-backup/purser/internal/secret"
)

// Packet tags (RFC 4880, 4.3).
const (
	tagPublicKeyESK  = 1
	tagSignature     = 2
	tagSymmetricESK  = 3
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagCompressed    = 8
	tagMarker        = 10
	tagLiteral       = 11
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
	tagSEIPD         = 18
	tagMDC           = 19
)

// Algorithm numbers (RFC 4880, 9).
const (
	cipherAES256 = 9
	hashSHA256   = 8
	compressZIP  = 1
	compressZLIB = 2
)

// phrase is the passphrase as GnuPG takes it from duplicity: up to the first
// newline.
func phrase(s secret.String) []byte {
	line, _, _ := strings.Cut(s.Reveal(), "\n")
	return []byte(line)
}

// symmetric describes a block cipher by its number.
type symmetric struct {
	keyLen int
	open   func(key []byte) (cipher.Block, error)
}

// symmetricByID knows the ciphers that GnuPG has used by default at some time.
func symmetricByID(id byte) (symmetric, bool) {
	switch id {
	case 2:
		return symmetric{24, des.NewTripleDESCipher}, true
	case 3:
		return symmetric{16, func(k []byte) (cipher.Block, error) { return cast5.NewCipher(k) }}, true
	case 4:
		return symmetric{16, func(k []byte) (cipher.Block, error) { return blowfish.NewCipher(k) }}, true
	case 7:
		return symmetric{16, aes.NewCipher}, true
	case 8:
		return symmetric{24, aes.NewCipher}, true
	case cipherAES256:
		return symmetric{32, newAES256}, true
	case 10:
		return symmetric{32, func(k []byte) (cipher.Block, error) { return twofish.NewCipher(k) }}, true
	}
	return symmetric{}, false
}
