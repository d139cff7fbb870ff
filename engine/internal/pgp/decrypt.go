package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"

	"github.com/purser-backup/purser/internal/secret"
)

// DecryptOptions say what messages are read with. The zero value reads none.
type DecryptOptions struct {
	// Passphrase is tried on messages to a passphrase, and on secret keys.
	Passphrase secret.String
	// Keyring holds the secret keys, and the public one of SignKey. It may be nil.
	Keyring *Keyring
	// SignKey names the key that every message must be signed by, as for
	// EncryptOptions; empty means that signatures aren't looked at. A subkey for
	// signing counts as its primary key, unless it is named itself.
	SignKey string
	// Now is the clock. It is needed with SignKey.
	Now func() time.Time
}

// A Decryptor reads messages with a passphrase or secret keys. It remembers
// derived keys and unlocked ones, since all objects of a run share them. It may
// be used by several goroutines.
type Decryptor struct {
	pass   []byte
	ring   *Keyring
	signer *signer // nil if signatures aren't looked at

	mu       sync.Mutex
	keys     map[string][]byte    // by the derivation's parameters and key length
	opened   string               // which of them has opened a message last
	unlocked map[string]*unlocked // by fingerprint
}

type unlocked struct {
	key *packet.PrivateKey
	err error
}

// NewDecryptor returns a Decryptor. A required signer that isn't in the keyring
// is a *KeyError. All else shows with the messages.
func NewDecryptor(o DecryptOptions) (*Decryptor, error) {
	d := &Decryptor{pass: phrase(o.Passphrase), ring: o.Keyring, keys: map[string][]byte{}, unlocked: map[string]*unlocked{}}
	if o.SignKey != "" {
		var err error
		if d.signer, err = o.Keyring.verifier(o.SignKey, o.Now()); err != nil {
			return nil, fmt.Errorf("choose key to check signatures with: %w", err)
		}
	}
	return d, nil
}

// Decrypt returns the plain bytes of a message. They are authentic only once
// the reader has returned io.EOF: the modification detection code and the
// signature stand at the end. Errors, here or from the reader, wrap ErrWrongKey,
// ErrCorrupt or ErrSignature, or are those of r.
func (d *Decryptor) Decrypt(r io.Reader) (io.Reader, error) { return d.DecryptAs(r, Reading{}) }

// Reading says how a message is read.
type Reading struct {
	// InTurn is for one of many messages that are open at once: nothing is
	// decrypted ahead, which takes less memory.
	InTurn bool
	// Known is for a message that was compared with a hash from a message of this
	// Decryptor. Its modification detection code would say the same once more, and
	// isn't computed, if Exclusive reports true.
	Known bool
}

// Exclusive reports whether only who has the passphrase, or the required signer,
// can have made a message that this Decryptor reads: with a secret key it reads
// what anybody has made.
func (d *Decryptor) Exclusive() bool { return d.signer != nil || !d.ring.hasSecrets() }

// DecryptAs is Decrypt in another way.
func (d *Decryptor) DecryptAs(r io.Reader, how Reading) (io.Reader, error) {
	source := &sourceReader{r: r}
	in := bufio.NewReaderSize(source, 64<<10)
	m, err := d.open(in, how)
	if err != nil {
		return nil, source.explain(err)
	}
	m.source = source
	return m, nil
}

func (d *Decryptor) open(in *bufio.Reader, how Reading) (*messageReader, error) {
	esks, err := readESKs(in)
	if err != nil {
		return nil, err
	}
	p, err := packet.Read(in)
	if err != nil {
		return nil, corrupt("read encrypted packet: %w", err)
	}
	enc, ok := p.(*packet.SymmetricallyEncrypted)
	if !ok || !enc.IntegrityProtected || enc.Version != 1 {
		return nil, corrupt("no integrity-protected packet of version 1")
	}
	protected, err := d.unlock(esks, enc.Contents)
	if err != nil {
		return nil, err
	}
	if how.InTurn {
		protected.ahead = 0
	}
	if how.Known && d.Exclusive() {
		protected.end.hash = nil
	}
	m := &messageReader{protected: protected, outer: in, check: d.signer.check()}
	if err := m.findLiteral(); err != nil {
		return nil, err
	}
	return m, nil
}

// sessionKeys are the packets before the encrypted one, of which one must fit.
type sessionKeys struct {
	phrases [][]byte               // bodies of symmetric ones (RFC 4880, 5.3)
	public  []*packet.EncryptedKey // of those for public keys (5.1)
}

// maxESK bounds what stands before the encrypted packet. A session key for an
// RSA key of 8192 bits takes 1 KB.
const maxESK = 1 << 20

// readESKs leaves in at the packet behind them.
func readESKs(in *bufio.Reader) (keys sessionKeys, err error) {
	opaque := packet.NewOpaqueReader(&io.LimitedReader{R: in, N: maxESK})
	for {
		head, err := in.Peek(1)
		if err != nil {
			return keys, corrupt("read packets: %w", noEOF(err))
		}
		tag := head[0] & 0x3f
		if head[0]&0x40 == 0 {
			tag = head[0] >> 2 & 0x0f
		}
		if head[0]&0x80 == 0 || tag != tagSymmetricESK && tag != tagPublicKeyESK && tag != tagMarker {
			return keys, nil
		}
		p, err := opaque.Next()
		if err != nil {
			return keys, corrupt("read session key: %w", noEOF(err))
		}
		switch tag {
		case tagSymmetricESK:
			keys.phrases = append(keys.phrases, p.Contents)
		case tagPublicKeyESK:
			parsed, err := p.Parse()
			if err != nil {
				continue // of a kind that we have no key for
			}
			if k, ok := parsed.(*packet.EncryptedKey); ok {
				keys.public = append(keys.public, k)
			}
		}
	}
}

// unlock finds the session key that fits and returns the decrypted content:
// first with the secret keys that the message names, then with the passphrase,
// then with every secret key for hidden recipients.
func (d *Decryptor) unlock(esks sessionKeys, content io.Reader) (*protectedReader, error) {
	t := &trial{content: content, prefix: make([]byte, maxBlock+2)}
	var failed []error
	for _, k := range esks.public {
		if k.KeyId != 0 {
			failed = append(failed, d.tryNamed(t, k))
		}
	}
	if len(d.pass) > 0 {
		for _, body := range esks.phrases {
			if id, key, name, ok := d.sessionKey(body); ok && !t.done() {
				t.try(id, key)
				d.note(name, t.found != nil)
			}
		}
	}
	for _, k := range esks.public {
		if k.KeyId == 0 {
			failed = append(failed, d.tryHidden(t, k))
		}
	}
	switch {
	case t.err != nil:
		return nil, t.err
	case t.found != nil:
		return t.found, nil
	}
	return nil, noKey(failed)
}

// trial tries session keys on the start of an encrypted packet.
type trial struct {
	content io.Reader
	prefix  []byte
	read    int // of prefix
	found   *protectedReader
	err     error
}

const maxBlock = 16

func (t *trial) done() bool { return t.found != nil || t.err != nil }

func (t *trial) try(id byte, key []byte) {
	sym, ok := symmetricByID(id)
	if t.done() || !ok || len(key) != sym.keyLen {
		return
	}
	block, err := sym.open(key)
	if err != nil {
		return // weak keys of old ciphers
	}
	size := block.BlockSize() + 2
	if t.read < size {
		if _, err := io.ReadFull(t.content, t.prefix[t.read:size]); err != nil {
			t.err = corrupt("read encrypted packet: %w", noEOF(err))
			return
		}
		t.read = size
	}
	t.found = newProtectedReader(block, t.prefix[:t.read], t.content)
}

// sessionKey decrypts the body of a session key packet (RFC 4880, 5.3). It also
// returns the name of the derived key that did.
func (d *Decryptor) sessionKey(body []byte) (id byte, key []byte, name string, ok bool) {
	if len(body) < 3 || body[0] != 4 || s2k.Mode(body[2]) == s2k.Argon2S2K {
		return 0, nil, "", false // GnuPG has no Argon2, which may ask for any memory
	}
	id = body[1]
	sym, ok := symmetricByID(id)
	if !ok {
		return 0, nil, "", false
	}
	rest := bytes.NewReader(body[2:])
	derive, err := parseS2K(rest)
	if err != nil {
		return 0, nil, "", false
	}
	params := body[2 : len(body)-rest.Len()]
	name = derivation(params, sym.keyLen)
	key = d.derived(name, sym.keyLen, derive)
	if rest.Len() == 0 {
		return id, key, name, true
	}
	sealed := append([]byte(nil), body[len(body)-rest.Len():]...)
	block, err := sym.open(key)
	if err != nil {
		return 0, nil, "", false
	}
	n := block.BlockSize()
	decryptCFB(block, make([]byte, n), sealed, make([]byte, len(sealed)+n))
	return sealed[0], sealed[1:], name, true
}

func (d *Decryptor) derived(name string, length int, derive func(out, in []byte)) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	key, ok := d.keys[name]
	if !ok {
		key = make([]byte, length)
		derive(key, d.pass)
		d.keys[name] = key
	}
	return key
}

// note remembers a derived key that has opened a message.
func (d *Decryptor) note(name string, opened bool) {
	if !opened {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = name
}

// phraseKey returns a key that was derived just as an Encryptor derives one,
// nil if there is none. It has opened a message: a salt that somebody else chose
// and planted on the target is never taken.
func (d *Decryptor) phraseKey() *phraseKey {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k := new(phraseKey)
	copy(k.salt[:], d.opened[min(2, len(d.opened)):])
	if d.opened != derivation(k.params(), keyLen) {
		return nil
	}
	copy(k.key[:], d.keys[d.opened])
	return k
}

// derivation names a derived key by all that it depends on, but the passphrase.
func derivation(params []byte, length int) string { return string(params) + string(rune(length)) }

// tryNamed tries the secret key that a session key names. If that is there and
// doesn't fit, the message is damaged.
func (d *Decryptor) tryNamed(t *trial, k *packet.EncryptedKey) error {
	if t.done() {
		return nil
	}
	keys := d.ring.byID(k.KeyId)
	if len(keys) == 0 {
		return d.ring.keyError(fmt.Sprintf("%016X", k.KeyId), hintImport, "the message is for it, and there is none")
	}
	for _, pub := range keys {
		if err := d.tryKey(t, k, pub); err != nil {
			return err
		}
	}
	if !t.done() {
		return corrupt("session key for %016X doesn't fit", k.KeyId)
	}
	return nil
}

// tryHidden tries all secret keys of the right kind. That one doesn't fit is no
// failure; that it can't be unlocked is.
func (d *Decryptor) tryHidden(t *trial, k *packet.EncryptedKey) error {
	var failed error
	for _, pub := range d.ring.withSecret(k.Algo) {
		if err := d.tryKey(t, k, pub); err != nil && failed == nil {
			failed = err
		}
	}
	if failed == nil {
		failed = d.ring.keyError("hidden", hintImport, "the message doesn't tell whom it is for, and no secret key fits")
	}
	return failed
}

// tryKey decrypts a session key (RFC 4880, 5.1). The error is that of
// unlocking the secret key.
func (d *Decryptor) tryKey(t *trial, k *packet.EncryptedKey, pub *packet.PublicKey) error {
	if t.done() {
		return nil
	}
	key, err := d.secret(pub)
	if err != nil {
		return err
	}
	mine := *k // Decrypt leaves its result in it
	if mine.Decrypt(key, nil) == nil {
		t.try(byte(mine.CipherFunc), mine.Key)
	}
	return nil
}

// secret unlocks a key once.
func (d *Decryptor) secret(pub *packet.PublicKey) (*packet.PrivateKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := string(pub.Fingerprint)
	u, ok := d.unlocked[name]
	if !ok {
		u = new(unlocked)
		u.key, u.err = d.ring.unlock(pub, d.pass)
		d.unlocked[name] = u
	}
	return u.key, u.err
}

// noKey tells which keys a message would have needed. A locked key says more
// than damage, and that more than a key that isn't there.
func noKey(failed []error) error {
	best := ErrWrongKey
	rank := 0
	for _, err := range failed {
		r := 1
		switch {
		case err == nil:
			continue
		case isLocked(err):
			r = 3
		case errors.Is(err, ErrCorrupt):
			r = 2
		}
		if r > rank {
			best, rank = err, r
		}
	}
	return best
}
