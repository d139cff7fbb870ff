package pgp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"math/rand/v2"
	"testing"
)

// Both directions are the standard library's CFB, for ciphers of either length of
// block, any length of data, and pieces of whole blocks.
func TestCFB(t *testing.T) {
	key := make([]byte, 32)
	rand.NewChaCha8([32]byte{7}).Read(key)
	long, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	eights, err := newAES256(key)
	if err != nil {
		t.Fatal(err)
	}
	short, err := des.NewTripleDESCipher(bytes.Repeat([]byte{1, 2, 3}, 8))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, block := range []cipher.Block{long, eights, short} {
		n := block.BlockSize()
		for size := range 700 {
			plain := make([]byte, size)
			for i := range plain {
				plain[i] = byte(r.Uint32())
			}
			want := make([]byte, size)
			//lint:ignore SA1019 the oracle
			cipher.NewCFBEncrypter(block, make([]byte, n)).XORKeyStream(want, plain)
			got := bytes.Clone(plain)
			enc := newCFBEncrypter(block)
			for rest := got; len(rest) > 0; {
				k := min(n*(1+r.IntN(3)), len(rest))
				enc.encrypt(rest[:k])
				rest = rest[k:]
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("block of %d: %d bytes are encrypted otherwise", n, size)
			}
			before := make([]byte, n)
			for rest := got; len(rest) > 0; {
				k := min(n*(1+r.IntN(40)), len(rest))
				next := bytes.Clone(rest[max(k-n, 0):k])
				decryptCFB(block, before, rest[:k], make([]byte, k+n))
				before, rest = next, rest[k:]
			}
			if !bytes.Equal(got, plain) {
				t.Fatalf("block of %d: %d bytes are not decrypted", n, size)
			}
		}
	}
}
