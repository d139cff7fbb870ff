package pgp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/purser-backup/purser/internal/secret"
)

const pass = "correct hörse $'\""

func clock() time.Time { return time.Unix(1700000000, 0) }

// sample is n bytes of which a part compresses.
func sample(n int) []byte {
	r := mrand.New(mrand.NewPCG(7, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(1 + i/1000%256))
	}
	return b
}

func encrypt(t testing.TB, e *Encryptor, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := e.Encrypt(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func newEncryptor(t testing.TB) *Encryptor {
	t.Helper()
	e, err := NewPassphraseEncryptor(secret.New(pass), rand.Reader, clock)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newDecryptor(p secret.String) *Decryptor {
	d, err := NewDecryptor(DecryptOptions{Passphrase: p})
	if err != nil {
		panic(err) // only a sign key makes it fail
	}
	return d
}

func decrypt(message []byte, with string) ([]byte, error) {
	r, err := newDecryptor(secret.New(with)).Decrypt(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

var sizes = []int{0, 1, 511, 512, chunkLen - 7, chunkLen, chunkLen + 1, 3_000_000}

func TestGPGReadsOurs(t *testing.T) {
	e, h := newEncryptor(t), newHome(t)
	for _, n := range sizes {
		plain := sample(n)
		message := encrypt(t, e, plain)
		if got, _ := h.run(t, pass, message, "--decrypt"); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: gpg returns %d other ones", n, len(got))
		}
		if got, err := decrypt(message, pass); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: we return %d, %v", n, len(got), err)
		}
	}
}

// ZIP has no checksum beside the modification detection code. References go back
// as far as deflate lets them, farther than the 8 KiB of old implementations.
func TestCompressedAsZIP(t *testing.T) {
	far := slices.Concat(sample(30_000), make([]byte, 1000), sample(30_000))
	h, message := newHome(t), encrypt(t, newEncryptor(t), far)
	if len(message) > len(far)/3 {
		t.Errorf("%d bytes become %d: the second half isn't taken from the first", len(far), len(message))
	}
	list, _ := h.run(t, pass, message, "--list-packets")
	if !bytes.Contains(list, []byte(":compressed packet: algo=1\n")) {
		t.Errorf("gpg lists these packets:\n%s", list)
	}
	if got, _ := h.run(t, pass, message, "--decrypt"); !bytes.Equal(got, far) {
		t.Errorf("gpg returns %d other bytes", len(got))
	}
}

func TestWeReadGPGs(t *testing.T) {
	h := newHome(t)
	for _, options := range []string{
		"--s2k-count=65011712", "--cipher-algo=AES128", "--cipher-algo=AES192", "--cipher-algo=3DES", "--cipher-algo=CAST5",
		"--cipher-algo=TWOFISH", "--cipher-algo=BLOWFISH", "--compress-algo=zip", "--compress-algo=zlib", "--compress-algo=bzip2",
		"--compress-algo=none", "--s2k-mode=0", "--s2k-mode=1", "--s2k-digest-algo=SHA512", "--s2k-count=1024",
	} {
		t.Run(options, func(t *testing.T) {
			plain := sample(200_000)
			message, _ := h.run(t, pass, plain, append(strings.Fields(options), "--force-mdc", "--symmetric")...)
			if got, err := decrypt(message, pass); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			if _, err := decrypt(message, "wrong"); !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("wrong passphrase: %v", err)
			}
		})
	}
}

func TestPassphraseEndsAtNewline(t *testing.T) {
	message, _ := newHome(t).run(t, pass, []byte("x"), "--symmetric")
	if _, err := decrypt(message, pass+"\nmore"); err != nil {
		t.Error(err)
	}
}

func TestWrongOrNoPassphrase(t *testing.T) {
	message := encrypt(t, newEncryptor(t), []byte("x"))
	for _, with := range []string{"", "wrong"} {
		if _, err := decrypt(message, with); !errors.Is(err, ErrWrongKey) {
			t.Errorf("passphrase %q: %v", with, err)
		}
	}
	if _, err := NewPassphraseEncryptor(secret.String{}, rand.Reader, clock); !errors.Is(err, ErrWrongKey) {
		t.Errorf("encrypt without passphrase: %v", err)
	}
}

// Without the modification detection code gpg itself only warns.
func TestMessageWithoutMDCIsRefused(t *testing.T) {
	message, _ := newHome(t).run(t, pass, sample(1000), "--rfc2440", "--disable-mdc", "--cipher-algo=AES256", "--symmetric")
	if _, err := decrypt(message, pass); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error %v, want %v", err, ErrCorrupt)
	}
}

// No changed byte and no cut is ever taken for a whole message, unless the
// content is the same: some bits of a length don't matter.
func TestDamage(t *testing.T) {
	plain := sample(3000)
	message := encrypt(t, newEncryptor(t), plain)
	d := newDecryptor(secret.New(pass))
	try := func(b []byte) ([]byte, error) {
		r, err := d.Decrypt(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	const esk = 48 // a flipped bit of salt or count would mean another slow derivation
	for i := esk; i < len(message); i++ {
		b := bytes.Clone(message)
		b[i] ^= 1 << (i % 8)
		got, err := try(b)
		if err == nil && bytes.Equal(got, plain) {
			continue
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("flipped bit in byte %d of %d: %v", i, len(message), err)
		}
	}
	cuts := [][]byte{append(bytes.Clone(message), 0), append(bytes.Clone(message), message...)}
	for n := range message {
		cuts = append(cuts, message[:n])
	}
	for _, b := range cuts {
		if _, err := try(b); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrWrongKey) {
			t.Errorf("%d bytes of %d: %v", len(b), len(message), err)
		}
	}
}

func TestErrorOfReaderIsPassedOn(t *testing.T) {
	broken := errors.New("broken pipe")
	message := encrypt(t, newEncryptor(t), sample(100_000))
	r, err := newDecryptor(secret.New(pass)).Decrypt(io.MultiReader(bytes.NewReader(message[:1000]), iotest.ErrReader(broken)))
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func FuzzDecrypt(f *testing.F) {
	f.Add(encrypt(f, newEncryptor(f), []byte("seed")))
	f.Add([]byte{0xd2, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4 && bytes.IndexByte(b, 0xff) >= 0 {
			return // a slow derivation a try
		}
		if _, err := decrypt(b, pass); err == nil {
			t.Errorf("%x was accepted", b)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	e := newEncryptor(b)
	plain := sample(8 << 20)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		w, err := e.Encrypt(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(plain); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecrypt(b *testing.B) {
	plain := sample(8 << 20)
	message := encrypt(b, newEncryptor(b), plain)
	d := newDecryptor(secret.New(pass))
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		r, err := d.Decrypt(bytes.NewReader(message))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
