package pgp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSexp(t *testing.T) {
	for in, want := range map[string]string{
		`(a b)`: `(1:a1:b)`, `(1:a3:b c)`: `(1:a3:b c)`, `(a (b #00 0 1#) |AQI=|)`: "(1:a(1:b2:\x00\x01)2:\x01\x02)",
		`(a "x\n\x41\101\"")`: "(1:a5:x\nAA\")", " ( a\n ) rest": "(1:a)", `("")`: "(0:)", "()": "()",
	} {
		s, _, err := parseSexp([]byte(in))
		if err != nil || string(s.canonical(nil)) != want {
			t.Errorf("%q: %v", in, err)
		} else if got := string(s.canonical(nil)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "(", "(a", ")", `("a`, `("\`, `("\x4`, `("\9")`, "(#0#)", "(#00", "(|A|)", "(5:abc)", "(99999999999:a)", "(-", "({)", strings.Repeat("(", 99)} {
		if s, _, err := parseSexp([]byte(in)); err == nil {
			t.Errorf("%q: %q", in, s.canonical(nil))
		}
	}
}

func FuzzSexp(f *testing.F) {
	for _, s := range []string{"(1:a(1:b2:cd)e)", `(private-key (rsa (n #00D6#)(e "\x01\n")) |AQI=|)`, "(protected-private-key(3:ecc(1:q3:abc)))"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := parseSexp(b)
		if err != nil {
			return
		}
		form := s.canonical(nil)
		again, rest, err := parseSexp(form)
		if err != nil || len(rest) > 0 || !bytes.Equal(again.canonical(nil), form) {
			t.Errorf("%q becomes %q, then %q and %q, %v", b, form, again.canonical(nil), rest, err)
		}
	})
}

func sampleKey(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/key.asc")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func samplePackets(t testing.TB) []byte {
	t.Helper()
	b, err := dearmor(sampleKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// box is a keybox with one key.
func box(key []byte) []byte {
	b := []byte("\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b = binary.BigEndian.AppendUint32(b, uint32(16+len(key)))
	b = append(b, blobOpenPGP, 1, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 16)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	return append(b, key...)
}

func TestKeybox(t *testing.T) {
	whole := box(samplePackets(t))
	packets, err := parseKeybox(whole)
	if err != nil || len(packets) < 5 {
		t.Fatalf("%d packets, %v", len(packets), err)
	}
	for n := range whole {
		if n == 32 {
			continue // the header alone
		}
		if _, err := parseKeybox(whole[:n]); err == nil {
			t.Errorf("%d bytes of %d are taken", n, len(whole))
		}
	}
}

func FuzzKeybox(f *testing.F) {
	f.Add(box(samplePackets(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if packets, err := parseKeybox(b); err == nil {
			useKeys(t, packets)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add(sampleKey(f))
	f.Add(samplePackets(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		packets, _ := splitKeys(b) // what is before an error counts, too
		useKeys(t, packets)
	})
}

// useKeys asks everything of keys. None may be good but the sample's.
func useKeys(t *testing.T, packets []rawPacket) {
	k := newKeyring("fuzz")
	_, err := k.add("fuzz", packets)
	now := time.Unix(1800000000, 0)
	for _, c := range k.certificates {
		keygrip(c.primary)
		for _, s := range c.subkeys {
			keygrip(s.key)
		}
		key, chosen := k.recipient(hexadecimal(c.primary.Fingerprint), now)
		if chosen == nil && hexadecimal(c.primary.Fingerprint) != samplePrint {
			t.Errorf("key %X is taken for a good one, %v", key.Fingerprint, err)
		}
	}
}

const samplePrint = "412FB1388B30E65514FCB07C0C245ED0D8599834"

func hexadecimal(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func sampleRing(t testing.TB) *Keyring {
	t.Helper()
	return readKeyring(t, folder(t, map[string][]byte{"key.asc": sampleKey(t)}))
}

// Whatever is accepted, to a key and signed, is what was written.
func FuzzDecryptWithKey(f *testing.F) {
	k := sampleRing(f)
	d := decryptor(f, DecryptOptions{Keyring: k, SignKey: samplePrint})
	for _, o := range []EncryptOptions{{Recipients: []string{samplePrint}}, {Hidden: []string{samplePrint}}} {
		o.Keyring, o.SignKey = k, samplePrint
		f.Add(encrypt(f, encryptor(f, o), []byte("seed")))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := d.all(b); err == nil && string(got) != "seed" {
			t.Errorf("%x was accepted as %q", b, got)
		}
	})
}

// One Encryptor and one Decryptor serve many goroutines.
func TestConcurrentUse(t *testing.T) {
	k := sampleRing(t)
	e := encryptor(t, EncryptOptions{Recipients: []string{samplePrint}, Hidden: []string{"sample"}, SignKey: "sample", Keyring: k})
	d := decryptor(t, DecryptOptions{Keyring: k, SignKey: "sample"})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			plain := sample(1000 + i)
			var out bytes.Buffer
			w, err := e.Encrypt(&out)
			if err == nil {
				_, err = w.Write(plain)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Error(err)
			}
			reads(t, "concurrently", d, out.Bytes(), plain)
		})
	}
	all.Wait()
}
