package pgp

import (
	"crypto/cipher"
	"crypto/subtle"
)

// CFB is what OpenPGP encrypts with, always with a zero start: each block is
// combined with the encryption of the encrypted block before it. The standard
// library's CFB goes block by block; here a piece has its whole key stream first.

// A cfbEncrypter encrypts. The encryption of an encrypted block, which is a block
// of the key stream, is that of the plain block combined with the key stream's
// block before: the key stream is what CBC makes of the plain bytes. And CBC the
// standard library has in one go.
type cfbEncrypter struct {
	cbc    cipher.BlockMode
	size   int    // of a block
	stream []byte // its first block is the one that comes next
}

func newCFBEncrypter(b cipher.Block) *cfbEncrypter {
	n := b.BlockSize()
	e := &cfbEncrypter{cbc: cipher.NewCBCEncrypter(b, make([]byte, n)), size: n, stream: make([]byte, n)}
	e.cbc.CryptBlocks(e.stream, e.stream)
	return e
}

// encrypt encrypts the next bytes in place. Nothing may follow a part of a block.
func (e *cfbEncrypter) encrypt(b []byte) {
	whole := len(b) / e.size * e.size
	if need := whole + e.size; len(e.stream) < need {
		e.stream = append(e.stream[:e.size], make([]byte, whole)...)
	}
	e.cbc.CryptBlocks(e.stream[e.size:], b[:whole])
	subtle.XORBytes(b, b, e.stream)
	copy(e.stream[:e.size], e.stream[whole:])
}

// decryptCFB decrypts b, which follows the encrypted block before. stream is room
// for the key stream: len(b), rounded up to whole blocks. Its blocks don't depend
// on each other, and the processor works on several at a time.
func decryptCFB(block cipher.Block, before, b, stream []byte) {
	if len(b) == 0 {
		return
	}
	n := block.BlockSize()
	block.Encrypt(stream[:n], before)
	encryptBlocks(block, stream[n:], b[:(len(b)-1)/n*n])
	subtle.XORBytes(b, b, stream)
}

// A blocksEncrypter is a cipher.Block that takes many blocks at once.
type blocksEncrypter interface {
	encryptBlocks(dst, src []byte)
}

// encryptBlocks encrypts each block of src, which are whole, for itself.
func encryptBlocks(block cipher.Block, dst, src []byte) {
	if many, ok := block.(blocksEncrypter); ok {
		many.encryptBlocks(dst, src)
		return
	}
	for n := block.BlockSize(); len(src) > 0; dst, src = dst[n:], src[n:] {
		block.Encrypt(dst, src)
	}
}
