package pgp

import (
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// signer is whom messages must be signed by.
type signer struct {
	name string // as the user named it
	cert *certificate
	keys []*packet.PublicKey
	now  time.Time
}

// verifier finds the keys whose signature counts for a name: the subkey that an
// id names, else the primary key and all subkeys that sign, since gpg takes one
// of those. They may have expired since.
func (k *Keyring) verifier(name string, now time.Time) (*signer, error) {
	exact := parseSelector(name).exact
	return choose(k, name, now, toSign(), func(m match) (*signer, string) {
		s := &signer{name: name, cert: m.certificate, now: now}
		if exact || m.key != m.primary {
			s.keys = []*packet.PublicKey{m.key}
			return s, ""
		}
		s.keys = append(s.keys, m.primary)
		for _, sub := range m.subkeys {
			if b := m.bound(sub, now); b != nil && toSign().fits(sub.key, b) {
				s.keys = append(s.keys, sub.key)
			}
		}
		return s, ""
	})
}

// check begins the check of one message. A nil signer makes a nil check, which
// accepts everything.
func (s *signer) check() *signatureCheck {
	if s == nil {
		return nil
	}
	return &signatureCheck{signer: s}
}

// maxSignatures is how many signatures of the required signer are looked at.
const maxSignatures = 8

// signatureCheck looks for a good signature on one message.
type signatureCheck struct {
	signer *signer
	open   []announcedSignature
	others []string // key ids of foreign signatures
	good   bool
	fault  error // of the last bad one
}

type announcedSignature struct {
	*packet.OnePassSignature
	hash hash.Hash
}

// announced takes note of a one-pass signature (RFC 4880, 5.4).
func (c *signatureCheck) announced(o *packet.OnePassSignature) {
	if c == nil {
		return
	}
	if c.signer.key(o.KeyId) == nil {
		if len(c.others) < maxSignatures {
			c.others = append(c.others, fmt.Sprintf("%016X", o.KeyId))
		}
		return
	}
	if o.SigType == packet.SigTypeBinary && o.Hash.Available() && len(c.open) < maxSignatures {
		c.open = append(c.open, announcedSignature{o, o.Hash.New()})
	}
}

// watch returns r, hashed as it is read.
func (c *signatureCheck) watch(r io.Reader) io.Reader {
	if c == nil {
		return r
	}
	for _, o := range c.open {
		r = io.TeeReader(r, o.hash)
	}
	return r
}

// verify checks a signature (RFC 4880, 5.2.4). They come in the reverse order
// of their announcements.
func (c *signatureCheck) verify(s *packet.Signature) {
	if c == nil || s.IssuerKeyId == nil {
		return
	}
	for i := len(c.open) - 1; i >= 0; i-- {
		o := c.open[i]
		if o.KeyId != *s.IssuerKeyId || o.Hash != s.Hash || s.SigType != packet.SigTypeBinary || s.Version != 4 {
			continue
		}
		c.open = append(c.open[:i], c.open[i+1:]...)
		if err := c.signer.accept(s, o.hash); err != nil {
			c.fault = err
		} else {
			c.good = true
		}
		return
	}
}

// result is nil if there was a good signature.
func (c *signatureCheck) result() error {
	switch {
	case c == nil || c.good:
		return nil
	case c.fault != nil:
		return fmt.Errorf("%w: by %s: %w", ErrSignature, c.signer.name, c.fault)
	case len(c.others) > 0:
		return fmt.Errorf("%w: signed by %s, not by %s", ErrSignature, list(c.others), c.signer.name)
	}
	return fmt.Errorf("%w: not signed by %s", ErrSignature, c.signer.name)
}

func (s *signer) key(id uint64) *packet.PublicKey {
	for _, k := range s.keys {
		if k.KeyId == id {
			return k
		}
	}
	return nil
}

// accept checks a signature over what h has taken in, and whether its key was
// good when it was made.
func (s *signer) accept(sig *packet.Signature, h hash.Hash) error {
	key := s.key(*sig.IssuerKeyId)
	if err := key.VerifySignature(h, sig); err != nil {
		return err
	}
	if why := s.expired(key, sig.CreationTime); why != "" {
		return fmt.Errorf("key %s: %s when it signed", key.KeyIdString(), why)
	}
	return nil
}

// expired says why a key wasn't good at a time. Revocations count from their
// own time on if the key was merely replaced (RFC 4880, 5.2.3.23), else always.
func (s *signer) expired(key *packet.PublicKey, at time.Time) string {
	c := s.cert
	if why := fault(c.primary, c.binding(s.now), standing(c.revocations(), at), at); why != "" || key == c.primary {
		return why
	}
	sub := c.subkey(key)
	return fault(key, c.bound(sub, s.now), standing(c.subkeyRevocations(sub), at), at)
}

// standing are the revocations that count at a time.
func standing(revocations []*packet.Signature, at time.Time) (count []*packet.Signature) {
	for _, r := range revocations {
		soft := r.RevocationReason != nil && (*r.RevocationReason == packet.KeySuperseded || *r.RevocationReason == packet.KeyRetired)
		if !soft || !r.CreationTime.After(at) {
			count = append(count, r)
		}
	}
	return count
}
