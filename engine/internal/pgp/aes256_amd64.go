package pgp

import (
	"crypto/aes"
	"crypto/cipher"

	"golang.org/x/sys/cpu"
)

// aes256 is AES with a key of 32 bytes that encrypts many blocks in one go. The
// standard library does that for some modes, of which decryption by CFB is none.
type aes256 struct {
	cipher.Block
	keys roundKeys
}

// roundKeys are one for the start and one for each of 14 rounds (FIPS 197, 5.2).
type roundKeys [15][aes.BlockSize]byte

// newAES256 is aes.NewCipher for keys of 32 bytes.
func newAES256(key []byte) (cipher.Block, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != 32 || !cpu.X86.HasAES {
		return block, err
	}
	a := &aes256{Block: block}
	expandKey(&a.keys, (*[32]byte)(key))
	return a, nil
}

const eightBlocks = 8 * aes.BlockSize

// encryptBlocks implements blocksEncrypter.
func (a *aes256) encryptBlocks(dst, src []byte) {
	whole := len(src) / eightBlocks * eightBlocks
	encryptEights(&a.keys, dst[:whole], src[:whole])
	for at := whole; at < len(src); at += aes.BlockSize {
		a.Encrypt(dst[at:], src[at:])
	}
}

// expandKey and encryptEights take the processor's instructions for AES.
// encryptEights encrypts so many blocks, each for itself.
//
//go:noescape
func expandKey(keys *roundKeys, key *[32]byte)

//go:noescape
func encryptEights(keys *roundKeys, dst, src []byte)
