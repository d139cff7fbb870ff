package pgp

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/purser-backup/purser/internal/secret"
)

// The code at the end of a known message isn't computed, unless somebody else could
// have made what it is known by. What is cut off shows in any case.
func TestKnownMessage(t *testing.T) {
	plain := sample(200_000)
	message := encrypt(t, newEncryptor(t), plain)
	wrongCode := bytes.Clone(message)
	wrongCode[len(wrongCode)-1] ^= 1
	cut := message[:len(message)-1]
	own := newDecryptor(secret.New(pass))
	shared := newDecryptor(secret.New(pass))
	shared.ring = &Keyring{secrets: map[string][]*secretKey{"of somebody": nil}}
	signed := newDecryptor(secret.New(pass))
	signed.ring, signed.signer = shared.ring, &signer{}
	if !own.Exclusive() || shared.Exclusive() || !signed.Exclusive() {
		t.Error("who can have made a message is told wrongly")
	}
	for _, test := range []struct {
		name    string
		d       *Decryptor
		how     Reading
		message []byte
		good    bool
	}{
		{"known", own, Reading{Known: true}, message, true},
		{"wrong code", own, Reading{}, wrongCode, false},
		{"wrong code in turn", own, Reading{InTurn: true}, wrongCode, false},
		{"wrong code, known", own, Reading{Known: true}, wrongCode, true},
		{"wrong code, known in turn", own, Reading{Known: true, InTurn: true}, wrongCode, true},
		{"wrong code, known by what others can make", shared, Reading{Known: true}, wrongCode, false},
		{"known, cut", own, Reading{Known: true}, cut, false},
	} {
		r, err := test.d.DecryptAs(bytes.NewReader(test.message), test.how)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got, err := io.ReadAll(r)
		if test.good && (err != nil || !bytes.Equal(got, plain)) || !test.good && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", test.name, len(got), err)
		}
	}
}
