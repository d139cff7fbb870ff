package pgp

import (
	"crypto"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/purser-backup/purser/engine/internal/deflate"
	"github.com/purser-backup/purser/internal/secret"
)

const (
	// s2kCount is GnuPG's own default: 65,011,712 bytes are hashed for a key.
	s2kCount      = 65011712
	s2kCountCoded = 0xff
	keyLen        = 32
)

// EncryptOptions say to whom and by whom messages are written. Keys are named
// as for gpg: by key id (8 or 16 hexadecimal digits), fingerprint (40), mail, or
// text of a user id; an id with "!" behind it means this very subkey.
type EncryptOptions struct {
	// Passphrase is what messages are encrypted with if nobody is in Recipients
	// and Hidden. Else it is tried on the secret key that signs.
	Passphrase secret.String
	// Recipients can read the messages, and everybody can see their key ids.
	Recipients []string
	// Hidden can read them, too; their key ids aren't told.
	Hidden []string
	// SignKey names the key that signs, empty for none.
	SignKey string
	// SignPassphrase unlocks it. If empty, Passphrase is taken.
	SignPassphrase secret.String
	// Keyring is where keys are looked for. Nil is good for a passphrase alone.
	Keyring *Keyring
	// Rand is the source of all randomness, Now the clock. Both are needed.
	Rand io.Reader
	Now  func() time.Time
	// Pool is what messages are compressed with. Nil is one of one worker.
	Pool *deflate.Pool
	// Like reads with the same Passphrase. What it has derived from that to read
	// earlier messages is used for the new ones too, so that a reader of all of
	// them needs the slow derivation once. It may be nil.
	Like *Decryptor
}

// An Encryptor writes messages to one passphrase or to public keys, signed or
// not. What can fail for want of a key happened when it was made; the first
// message to a passphrase takes the time to derive its key. Every message has a random session key of its own. It may be used by several
// goroutines if its source of randomness may.
type Encryptor struct {
	phrase     func() (*phraseKey, error) // nil if there are recipients
	recipients []recipient
	signer     *packet.PrivateKey // nil for none
	rand       io.Reader
	now        func() time.Time
	pool       *deflate.Pool
}

type recipient struct {
	key    *packet.PublicKey
	hidden bool
}

// phraseKey is what the passphrase was turned into.
type phraseKey struct {
	salt [8]byte
	key  [keyLen]byte
}

// NewEncryptor chooses and checks the keys, so that nothing has been written
// when one is missing, ambiguous, expired, revoked or locked: a *KeyError,
// which is an ErrWrongKey. Neither recipients nor passphrase is ErrWrongKey. Of
// a recipient the secret key isn't needed.
func NewEncryptor(o EncryptOptions) (*Encryptor, error) {
	e := &Encryptor{rand: o.Rand, now: o.Now, pool: o.Pool}
	if e.pool == nil {
		e.pool = deflate.NewPool(1)
	}
	now := o.Now()
	for i, name := range append(append([]string(nil), o.Recipients...), o.Hidden...) {
		key, err := o.Keyring.recipient(name, now)
		if err != nil {
			return nil, fmt.Errorf("choose key to encrypt to: %w", err)
		}
		e.recipients = append(e.recipients, recipient{key, i >= len(o.Recipients)})
	}
	if o.SignKey != "" {
		with := o.SignPassphrase
		if with.IsZero() {
			with = o.Passphrase
		}
		var err error
		if e.signer, err = o.Keyring.signer(o.SignKey, phrase(with), now); err != nil {
			return nil, fmt.Errorf("choose key to sign with: %w", err)
		}
	}
	if len(e.recipients) > 0 {
		return e, nil
	}
	if len(phrase(o.Passphrase)) == 0 {
		return nil, ErrWrongKey
	}
	e.phrase = sync.OnceValues(func() (*phraseKey, error) {
		if k := o.Like.phraseKey(); k != nil {
			return k, nil
		}
		return newPhraseKey(o.Passphrase, o.Rand)
	})
	return e, nil
}

// NewPassphraseEncryptor is NewEncryptor with a passphrase and no keys.
func NewPassphraseEncryptor(pass secret.String, rand io.Reader, now func() time.Time) (*Encryptor, error) {
	return NewEncryptor(EncryptOptions{Passphrase: pass, Rand: rand, Now: now})
}

func newPhraseKey(pass secret.String, rand io.Reader) (*phraseKey, error) {
	k := new(phraseKey)
	if _, err := io.ReadFull(rand, k.salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	iterated(k.key[:], sha256.New(), phrase(pass), k.salt[:], s2kCount)
	return k, nil
}

// Encrypt returns a writer for the plain bytes of one message. Closing it
// completes the message and leaves w open.
func (e *Encryptor) Encrypt(w io.Writer) (io.WriteCloser, error) {
	var session [keyLen]byte
	if _, err := io.ReadFull(e.rand, session[:]); err != nil {
		return nil, fmt.Errorf("draw session key: %w", err)
	}
	if err := e.writeESKs(w, session[:]); err != nil {
		return nil, err
	}
	protected, err := newProtectedWriter(newPacketWriter(w, tagSEIPD), session[:], e.rand)
	if err != nil {
		return nil, err
	}
	compressed := newPacketWriter(protected, tagCompressed)
	// ZLIB would add a checksum of every plain byte to the modification detection code.
	if _, err := compressed.Write([]byte{compressZIP}); err != nil {
		return nil, err
	}
	plain := e.pool.NewPlain(compressed)
	m := &messageWriter{layers: []io.Closer{plain, compressed, protected}}
	if err := e.openContent(m, plain); err != nil {
		return nil, err
	}
	return m, nil
}

// openContent begins the literal packet (RFC 4880, 5.9), with the one-pass
// signature before it and the signature behind it if there is a signer (5.4).
func (e *Encryptor) openContent(m *messageWriter, w io.Writer) error {
	now := e.now()
	literal := newPacketWriter(w, tagLiteral)
	m.Writer = literal
	inner := []io.Closer{literal}
	if e.signer != nil {
		s := &signatureWriter{out: w, key: e.signer, hash: signatureHash.New(), at: now, rand: e.rand}
		if err := s.announce(); err != nil {
			return err
		}
		m.Writer = io.MultiWriter(literal, s.hash)
		inner = append(inner, s)
	}
	m.layers = append(inner, m.layers...)
	head := [6]byte{0: 'b'} // binary, no file name, time
	binary.BigEndian.PutUint32(head[2:], uint32(now.Unix()))
	_, err := literal.Write(head[:])
	return err
}

// writeESKs writes the session key for the passphrase or for every recipient.
func (e *Encryptor) writeESKs(w io.Writer, session []byte) error {
	if e.phrase != nil {
		k, err := e.phrase()
		if err != nil {
			return err
		}
		return k.writeESK(w, session)
	}
	if len(e.recipients) == 0 {
		return errors.New("nobody to encrypt to")
	}
	config := &packet.Config{Rand: e.rand}
	for _, r := range e.recipients {
		err := packet.SerializeEncryptedKeyAEADwithHiddenOption(w, r.key, packet.CipherAES256, false, session, r.hidden, config)
		if err != nil {
			return fmt.Errorf("encrypt session key to %s: %w", r.key.KeyIdString(), err)
		}
	}
	return nil
}

// params tell how the key is derived (RFC 4880, 3.7.1.3).
func (k *phraseKey) params() []byte {
	return append(append([]byte{3, hashSHA256}, k.salt[:]...), s2kCountCoded)
}

// writeESK writes the session key, encrypted with the passphrase's key (RFC
// 4880, 5.3).
func (k *phraseKey) writeESK(w io.Writer, session []byte) error {
	block, err := aes.NewCipher(k.key[:])
	if err != nil {
		return err
	}
	body := append([]byte{4, cipherAES256}, k.params()...)
	sealed := append([]byte{cipherAES256}, session...)
	newCFBEncrypter(block).encrypt(sealed)
	body = append(body, sealed...)
	_, err = w.Write(append([]byte{0xc0 | tagSymmetricESK, byte(len(body))}, body...))
	return err
}

// signatureHash is strong enough for every curve, and what GnuPG takes.
const signatureHash = crypto.SHA512

// signatureWriter signs what is written to its hash.
type signatureWriter struct {
	out  io.Writer
	key  *packet.PrivateKey
	hash hash.Hash
	at   time.Time
	rand io.Reader
}

// announce writes the one-pass signature packet (RFC 4880, 5.4).
func (s *signatureWriter) announce() error {
	return (&packet.OnePassSignature{
		Version: 3, SigType: packet.SigTypeBinary, Hash: signatureHash,
		PubKeyAlgo: s.key.PubKeyAlgo, KeyId: s.key.KeyId, IsLast: true,
	}).Serialize(s.out)
}

// Close writes the signature packet.
func (s *signatureWriter) Close() error {
	sig := &packet.Signature{
		Version: 4, SigType: packet.SigTypeBinary, PubKeyAlgo: s.key.PubKeyAlgo, Hash: signatureHash,
		CreationTime: s.at, IssuerKeyId: &s.key.KeyId,
	}
	config := &packet.Config{Rand: s.rand, NonDeterministicSignaturesViaNotation: packet.BoolPointer(false)}
	if err := sig.Sign(s.hash, s.key, config); err != nil {
		return fmt.Errorf("sign with %s: %w", s.key.KeyIdString(), err)
	}
	if err := sig.Serialize(s.out); err != nil {
		return fmt.Errorf("sign with %s: %w", s.key.KeyIdString(), err)
	}
	return nil
}
