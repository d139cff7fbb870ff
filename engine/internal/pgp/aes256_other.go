//go:build !amd64

package pgp

import (
	"crypto/aes"
	"crypto/cipher"
)

func newAES256(key []byte) (cipher.Block, error) { return aes.NewCipher(key) }
