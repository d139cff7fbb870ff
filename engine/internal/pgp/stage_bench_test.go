package pgp

import (
	"crypto/aes"
	"testing"

	"github.com/purser-backup/purser/engine/internal/stagetest"
)

// BenchmarkStage measures what encryption costs for each byte.
func BenchmarkStage(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, keyLen))
	if err != nil {
		b.Fatal(err)
	}
	opened, err := newAES256(make([]byte, keyLen))
	if err != nil {
		b.Fatal(err)
	}
	data, stream, before := make([]byte, pieceLen), make([]byte, pieceLen), make([]byte, aes.BlockSize)
	enc := newCFBEncrypter(block)
	for name, do := range map[string]func(){
		"AES-256 CFB encryption": func() { enc.encrypt(data) },
		"AES-256 CFB decryption": func() { decryptCFB(opened, before, data, stream) },
	} {
		stagetest.Run(b, name, pieceLen, do)
	}
}
