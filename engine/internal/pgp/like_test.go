package pgp

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/secret"
)

// An Encryptor takes the key that reading has derived; one reader of both
// messages derives once. Without a message that was read it derives its own.
func TestDerivationIsShared(t *testing.T) {
	writer := func(like *Decryptor) *Encryptor {
		e, err := NewEncryptor(EncryptOptions{Passphrase: secret.New(pass), Rand: rand.Reader, Now: time.Now, Like: like})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	write := func(e *Encryptor, text string) []byte {
		var b bytes.Buffer
		w, err := e.Encrypt(&b)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	read := func(d *Decryptor, message []byte, want string) {
		r, err := d.Decrypt(bytes.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	d := newDecryptor(secret.New(pass))
	first := write(writer(d), "first")
	read(d, first, "first")
	second := write(writer(d), "second")
	apart := write(writer(nil), "apart")
	other := newDecryptor(secret.New(pass))
	for _, step := range []struct {
		message []byte
		text    string
		keys    int
	}{{first, "first", 1}, {second, "second", 1}, {apart, "apart", 2}} {
		read(other, step.message, step.text)
		if len(other.keys) != step.keys {
			t.Errorf("after %q %d keys were derived, not %d", step.text, len(other.keys), step.keys)
		}
	}
	// Who can write to the target but doesn't know the passphrase can't choose the salt.
	foreign, err := NewEncryptor(EncryptOptions{Passphrase: secret.New("another"), Rand: rand.Reader, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	victim := newDecryptor(secret.New(pass))
	if _, err := victim.Decrypt(bytes.NewReader(write(foreign, "planted"))); err == nil {
		t.Error("a message to another passphrase was opened")
	}
	if len(victim.keys) != 1 || victim.phraseKey() != nil {
		t.Errorf("the salt of a planted message is taken")
	}
}
