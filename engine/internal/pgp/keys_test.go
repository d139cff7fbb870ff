package pgp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func options(o EncryptOptions) EncryptOptions {
	o.Rand, o.Now = rand.Reader, time.Now
	return o
}

// world is a home with keys of all kinds. Rita's and Nina's have the
// passphrase, the others none.
type world struct {
	home
	rita, eddie, nina, sue string // fingerprints
}

func newWorld(t *testing.T) world {
	t.Helper()
	h := newHome(t)
	return world{
		home:  h,
		rita:  h.generate(t, pass, "Rita <rita@example.org>", "rsa2048 sign", "rsa3072 encr"),
		eddie: h.generate(t, "", "Eddie <eddie@example.org>", "ed25519 sign", "cv25519 encr"),
		nina: h.generate(t, pass, "Nina <nina@example.org>", "nistp256 sign", "nistp384 encr",
			"nistp521 encr", "brainpoolP256r1 encr", "brainpoolP384r1 encr", "brainpoolP512r1 encr", "secp256k1 encr", "elg2048 encr", "dsa2048 sign"),
		sue: h.generate(t, "", "Sue <sue@example.org>", "ed25519 sign", "ed25519 sign", "cv25519 encr"),
	}
}

// Keys and messages are exchanged with the real gpg, both ways.
func TestKeys(t *testing.T) {
	w := newWorld(t)
	t.Run("keygrips", w.keygrips)
	t.Run("gpg reads ours", w.gpgReadsOurs)
	t.Run("we read gpg's", w.weReadGPGs)
	t.Run("forms", w.forms)
	t.Run("public keys are enough to write", w.publicOnly)
	t.Run("signing key", w.signingKey)
	t.Run("required signature", w.requiredSignature)
	t.Run("signature of another", w.forgedSignature)
	t.Run("damage", w.damage)
	t.Run("wrong keys", w.wrongKeys)
}

func (w world) keygrips(t *testing.T) {
	var got []string
	for _, c := range w.keyring(t).certificates {
		got = append(got, keygrip(c.primary))
		for _, s := range c.subkeys {
			got = append(got, keygrip(s.key))
		}
	}
	if want := w.colons(t, "grp", 10); !slices.Equal(got, want) || len(want) < 14 {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func (w world) gpgReadsOurs(t *testing.T) {
	k := w.keyring(t)
	nina := mustFind(t, k, w.nina)
	var exact []string
	for _, s := range nina.subkeys {
		if s.key.PubKeyAlgo.CanEncrypt() {
			exact = append(exact, s.key.KeyIdString()+"!")
		}
	}
	plain := sample(200_000)
	for _, c := range []EncryptOptions{
		{Recipients: []string{"rita@example.org"}},
		{Recipients: []string{w.eddie}},
		{Recipients: exact},
		{Recipients: []string{hexID(w.rita), "0x" + w.eddie[32:]}},
		{Hidden: []string{"Eddie"}},
		{Recipients: []string{"<rita@example.org>"}, Hidden: []string{"*ina <nina"}},
		{Recipients: []string{"eddie"}, SignKey: w.rita},
		{Recipients: []string{"eddie"}, SignKey: w.eddie},
		{Recipients: []string{"eddie"}, SignKey: w.nina},
		{SignKey: w.eddie},
	} {
		c.Keyring, c.Passphrase = k, text(pass)
		message := encrypt(t, encryptor(t, c), plain)
		what := fmt.Sprintf("to %q and %q by %s", c.Recipients, c.Hidden, c.SignKey)
		out, status, err := w.try(t, pass, message, "--decrypt")
		if err != nil || !bytes.Equal(out, plain) {
			t.Errorf("%s: gpg reads %d bytes, %v\n%s", what, len(out), err, status)
		}
		if c.SignKey != "" && !strings.Contains(status, "VALIDSIG "+c.SignKey) {
			t.Errorf("%s: gpg finds no good signature:\n%s", what, status)
		}
		reads(t, what, decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k, SignKey: c.SignKey}), message, plain)
	}
}

func (w world) weReadGPGs(t *testing.T) {
	k := w.keyring(t)
	plain := sample(200_000)
	nina := mustFind(t, k, w.nina)
	args := []string{
		"-e -r rita@example.org", "-e -r eddie@example.org", "-e -r rita@example.org -r eddie@example.org",
		"-e -R rita@example.org", "-e -R eddie@example.org", "-e -R nina@example.org -r eddie@example.org",
		"-se -r eddie@example.org -u " + w.rita, "-se -r rita@example.org -u " + w.eddie, "-se -R rita@example.org -u " + w.nina,
		"-se -r eddie@example.org -u " + w.eddie + " --compress-algo=none", "-cs -u " + w.eddie, "-ce -r eddie@example.org",
		"-cse -r rita@example.org -u " + w.eddie + " --compress-algo=bzip2",
		"-se -r rita@example.org -u " + w.rita + " -u " + w.eddie,
	}
	for _, s := range nina.subkeys {
		if s.key.PubKeyAlgo.CanEncrypt() {
			args = append(args, "-e -r "+s.key.KeyIdString()+"!")
		}
	}
	d := decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k})
	for _, a := range args {
		message, _ := w.run(t, pass, plain, append(strings.Fields(a), "--force-mdc")...)
		reads(t, a, d, message, plain)
		if _, by, ok := strings.Cut(a, "-u "); ok {
			by, _, _ = strings.Cut(by, " ")
			reads(t, a+", checked", decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k, SignKey: by}), message, plain)
		}
	}
}

// forms are the folders that the same keys come in.
func (w world) forms(t *testing.T) {
	export := func(args ...string) []byte {
		out, _ := w.run(t, pass, nil, args...)
		return out
	}
	public, secretKeys := export("--export"), export("--export-secret-keys")
	imported := newHome(t, "disable-extended-key-format")
	imported.run(t, "", secretKeys, "--import") // leaves openpgp-native
	old := newHome(t, "disable-extended-key-format")
	old.generate(t, pass, "Rita <rita@example.org>", "rsa2048 sign,encr") // sha1-aes-cbc
	old.generate(t, "", "Eddie <eddie@example.org>", "ed25519 sign", "cv25519 encr")
	extended := newHome(t, "enable-extended-key-format")
	extended.generate(t, pass, "Rita <rita@example.org>", "ed25519 sign", "cv25519 encr") // ocb
	extended.generate(t, "", "Eddie <eddie@example.org>", "rsa2048 sign,encr")
	for name, dir := range map[string]string{
		"binary":            folder(t, map[string][]byte{"all.gpg": secretKeys}),
		"armoured":          folder(t, map[string][]byte{"all.asc": export("--armor", "--export-secret-keys")}),
		"GnuPG 1":           folder(t, map[string][]byte{"pubring.gpg": public, "secring.gpg": secretKeys, "trustdb.gpg": {1}}),
		"in pieces":         folder(t, map[string][]byte{"r.asc": slices.Concat(export("--armor", "--export", "rita"), []byte("\n\n"), export("--armor", "--export", "eddie")), "sec": secretKeys}),
		"imported in batch": imported.dir, "old form": old.dir, "extended form": extended.dir,
	} {
		t.Run(name, func(t *testing.T) {
			k := readKeyring(t, dir)
			plain := []byte("content")
			for _, o := range []EncryptOptions{
				{Recipients: []string{"rita"}, SignKey: "eddie"}, {Hidden: []string{"eddie"}, SignKey: "rita"},
			} {
				o.Keyring, o.SignPassphrase = k, text(pass)
				message := encrypt(t, encryptor(t, o), plain)
				reads(t, "ours", decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k, SignKey: o.SignKey}), message, plain)
			}
			h := home{dir}
			if name == "GnuPG 1" {
				return // gpg itself would convert it
			}
			if strings.HasPrefix(dir, "/tmp/pgp") {
				message, _ := h.run(t, pass, plain, "-e", "-r", "rita@example.org")
				reads(t, "gpg's", decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k}), message, plain)
			}
		})
	}
}

func (w world) publicOnly(t *testing.T) {
	public, _ := w.run(t, "", nil, "--export")
	k := readKeyring(t, folder(t, map[string][]byte{"keys.gpg": public}))
	message := encrypt(t, encryptor(t, EncryptOptions{Recipients: []string{w.rita}, Keyring: k}), []byte("x"))
	if out, _ := w.run(t, pass, message, "--decrypt"); string(out) != "x" {
		t.Errorf("gpg reads %q", out)
	}
	_, err := decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: k}).all(message)
	wantKeyError(t, err, "its secret part isn't there")
	_, err = NewEncryptor(options(EncryptOptions{Recipients: []string{w.rita}, SignKey: w.rita, Keyring: k}))
	wantKeyError(t, err, "its secret part isn't there", keygrip(mustFind(t, k, w.rita).primary)+".key")
}

func wantKeyError(t testing.TB, err error, parts ...string) {
	t.Helper()
	var key *KeyError
	if !errors.Is(err, ErrWrongKey) || !errors.As(err, &key) || key.Hint() == "" {
		t.Fatalf("error %v, want a KeyError with a hint", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q doesn't say %q", err, part)
		}
	}
}

// The signature bears the id that the user names (gpg would take the subkey).
func (w world) signingKey(t *testing.T) {
	k := w.keyring(t)
	sue := mustFind(t, k, w.sue)
	sub := sue.subkeys[0].key.KeyIdString()
	for name, want := range map[string]string{w.sue: hexID(w.sue), "sue": hexID(w.sue), hexID(w.sue): hexID(w.sue), sub: sub, sub + "!": sub} {
		message := encrypt(t, encryptor(t, EncryptOptions{Recipients: []string{"sue"}, SignKey: name, Keyring: k}), []byte("x"))
		if _, status := w.run(t, pass, message, "--decrypt"); !strings.Contains(status, "GOODSIG "+want) {
			t.Errorf("named %s: not signed by %s:\n%s", name, want, status)
		}
	}
	out, _ := w.run(t, "", nil, "--export-secret-subkeys", w.sue) // the primary's secret is a dummy
	k = readKeyring(t, folder(t, map[string][]byte{"subkeys.gpg": out}))
	if e := encryptor(t, EncryptOptions{Recipients: []string{"sue"}, SignKey: w.sue, Keyring: k}); e.signer.KeyIdString() != sub {
		t.Errorf("without the primary's secret: signed by %s, want %s", e.signer.KeyIdString(), sub)
	}
}

func (w world) requiredSignature(t *testing.T) {
	k := w.keyring(t)
	sue := mustFind(t, k, w.sue)
	sub := sue.subkeys[0].key.KeyIdString()
	bySub, _ := w.run(t, pass, []byte("x"), "-se", "-r", "eddie", "-u", w.sue) // gpg takes the subkey
	unsigned, _ := w.run(t, pass, []byte("x"), "-e", "-r", "eddie")
	byText, _ := w.run(t, pass, []byte("x"), "-se", "--textmode", "-r", "eddie", "-u", w.sue)
	for _, c := range []struct {
		what     string
		message  []byte
		required string
		good     bool
	}{
		{"by the subkey, the primary named", bySub, w.sue, true},
		{"by the subkey, itself named", bySub, sub, true},
		{"by the subkey, the primary alone named", bySub, w.sue + "!", false},
		{"by another", bySub, w.eddie, false},
		{"unsigned", unsigned, w.sue, false},
		{"signed as text", byText, w.sue, false},
		{"not looked at", bySub, "", true},
	} {
		got, err := decryptor(t, DecryptOptions{Keyring: k, SignKey: c.required}).all(c.message)
		if c.good && (err != nil || string(got) != "x") || !c.good && (!errors.Is(err, ErrSignature) || errors.Is(err, ErrCorrupt)) {
			t.Errorf("%s: %q, %v", c.what, got, err)
		}
	}
	_, err := NewDecryptor(DecryptOptions{Keyring: k, SignKey: "nobody", Now: time.Now})
	wantKeyError(t, err, "nobody", w.dir)
}

// A signature that claims to be by the required key, on a message that is whole.
func (w world) forgedSignature(t *testing.T) {
	k := w.keyring(t)
	e := encryptor(t, EncryptOptions{Recipients: []string{"eddie"}, SignKey: w.sue, Keyring: k})
	forged := *e.signer
	forged.KeyId = mustFind(t, k, w.eddie).primary.KeyId
	e.signer = &forged
	got, err := decryptor(t, DecryptOptions{Keyring: k, SignKey: w.eddie}).all(encrypt(t, e, []byte("x")))
	if !errors.Is(err, ErrSignature) {
		t.Errorf("%q, %v", got, err)
	}
}

// No changed byte is ever accepted, unless the content is the same.
func (w world) damage(t *testing.T) {
	k := w.keyring(t)
	plain := sample(1000)
	d := decryptor(t, DecryptOptions{Keyring: k, SignKey: w.eddie})
	for _, o := range []EncryptOptions{{Recipients: []string{"eddie"}, SignKey: "eddie"}, {Hidden: []string{"sue"}, SignKey: "eddie"}} {
		o.Keyring = k
		message := encrypt(t, encryptor(t, o), plain)
		reads(t, "whole", d, message, plain)
		for i := range message {
			flipped, cut := bytes.Clone(message), message[:i]
			flipped[i] ^= 1 << (i % 8)
			for _, b := range [][]byte{flipped, cut} {
				got, err := d.all(b)
				if err == nil && bytes.Equal(got, plain) {
					continue
				}
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrWrongKey) {
					t.Errorf("byte %d of %d (%d left): %v", i, len(message), len(b), err)
				}
			}
		}
	}
}

func (w world) wrongKeys(t *testing.T) {
	k := w.keyring(t)
	toRita := encrypt(t, encryptor(t, EncryptOptions{Recipients: []string{"rita"}, Keyring: k}), []byte("x"))
	hidden := encrypt(t, encryptor(t, EncryptOptions{Hidden: []string{"rita"}, Keyring: k}), []byte("x"))
	enc := mustFind(t, k, w.rita).subkeys[0].key
	empty := readKeyring(t, t.TempDir())
	none := readKeyring(t, filepath.Join(t.TempDir(), "none"))
	for _, c := range []struct {
		what    string
		message []byte
		ring    *Keyring
		with    string
		want    []string
	}{
		{"no passphrase", toRita, k, "", []string{enc.KeyIdString(), "locked", keygrip(enc) + ".key"}},
		{"wrong passphrase", toRita, k, "wrong", []string{enc.KeyIdString(), "the passphrase doesn't unlock it"}},
		{"hidden, wrong passphrase", hidden, k, "wrong", []string{"the passphrase doesn't unlock it"}},
		{"empty folder", toRita, empty, pass, []string{enc.KeyIdString(), empty.dir}},
		{"no folder", toRita, none, pass, []string{enc.KeyIdString(), "doesn't exist"}},
		{"nil", toRita, nil, pass, []string{enc.KeyIdString()}},
		{"hidden, empty folder", hidden, empty, pass, []string{"no secret key fits"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := decryptor(t, DecryptOptions{Passphrase: text(c.with), Keyring: c.ring}).all(c.message)
			wantKeyError(t, err, c.want...)
		})
	}
	_, err := NewEncryptor(options(EncryptOptions{Recipients: []string{"eddie"}, SignKey: "rita", SignPassphrase: text("wrong"), Keyring: k}))
	wantKeyError(t, err, "sign", "doesn't unlock")
	if _, err := NewEncryptor(options(EncryptOptions{Keyring: k})); !errors.Is(err, ErrWrongKey) {
		t.Errorf("nobody to encrypt to: %v", err)
	}
	card := filepath.Join(folder(t, map[string][]byte{agentFolder + "/" + keygrip(enc) + ".key": []byte("(shadowed-private-key (rsa (n #01#) (shadowed t1-v1 (#00# OPENPGP.1))))")}))
	public, _ := w.run(t, "", nil, "--export")
	if err := os.WriteFile(filepath.Join(card, "k.gpg"), public, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = decryptor(t, DecryptOptions{Passphrase: text(pass), Keyring: readKeyring(t, card)}).all(toRita)
	wantKeyError(t, err, "smart card")
}
