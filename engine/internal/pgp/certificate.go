package pgp

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// certificate is a primary key with all that was found about it. Signatures are
// those that claim to be its own; they are checked when they are asked for.
type certificate struct {
	primary *packet.PublicKey
	sigs    []*signature // on the primary key itself
	users   []*userID
	subkeys []*subkey
}

type userID struct {
	name string
	sigs []*signature
}

type subkey struct {
	key  *packet.PublicKey
	sigs []*signature
}

// signature is a signature packet with its bytes, by which it is known again.
type signature struct {
	*packet.Signature
	raw []byte
}

func addSignature(sigs []*signature, s *signature) []*signature {
	for _, old := range sigs {
		if bytes.Equal(old.raw, s.raw) {
			return sigs
		}
	}
	return append(sigs, s)
}

// user returns the user id of that name, which it adds if need be.
func (c *certificate) user(name string) *userID {
	for _, u := range c.users {
		if u.name == name {
			return u
		}
	}
	u := &userID{name: name}
	c.users = append(c.users, u)
	return u
}

// subkey returns the subkey with that key, which it adds if need be.
func (c *certificate) subkey(key *packet.PublicKey) *subkey {
	for _, s := range c.subkeys {
		if bytes.Equal(s.key.Fingerprint, key.Fingerprint) {
			return s
		}
	}
	s := &subkey{key: key}
	c.subkeys = append(c.subkeys, s)
	return s
}

// newest returns the newest signature that ok accepts and that is valid at a
// time, nil if there is none.
func newest(sigs []*signature, now time.Time, ok func(*packet.Signature) bool) (best *packet.Signature) {
	for _, s := range sigs {
		if !s.SigExpired(now) && (best == nil || s.CreationTime.After(best.CreationTime)) && ok(s.Signature) {
			best = s.Signature
		}
	}
	return best
}

// selfSignature is what makes the user id one of the certificate's. It is nil
// if it isn't, or not any more (RFC 4880, 5.2.1, types 0x10 to 0x13 and 0x30).
func (c *certificate) selfSignature(u *userID, now time.Time) *packet.Signature {
	verified := func(s *packet.Signature) bool {
		return c.primary.VerifyUserIdSignature(u.name, c.primary, s) == nil
	}
	self := newest(u.sigs, now, func(s *packet.Signature) bool {
		return s.SigType >= packet.SigTypeGenericCert && s.SigType <= packet.SigTypePositiveCert && verified(s)
	})
	revocation := newest(u.sigs, now, func(s *packet.Signature) bool {
		return s.SigType == packet.SigTypeCertificationRevocation && verified(s)
	})
	if self == nil || revocation != nil && !revocation.CreationTime.Before(self.CreationTime) {
		return nil
	}
	return self
}

// binding is the newest statement about the primary key's use and expiry: that
// of a user id, or a direct one (type 0x1f). Nil means that there is none.
func (c *certificate) binding(now time.Time) *packet.Signature {
	best := newest(c.sigs, now, func(s *packet.Signature) bool {
		return s.SigType == packet.SigTypeDirectSignature && c.primary.VerifyDirectKeySignature(s) == nil
	})
	for _, u := range c.users {
		if self := c.selfSignature(u, now); self != nil && (best == nil || self.CreationTime.After(best.CreationTime)) {
			best = self
		}
	}
	return best
}

// bound is the newest binding of a subkey (type 0x18). For a subkey that signs,
// go-crypto checks that it is bound in return (type 0x19).
func (c *certificate) bound(s *subkey, now time.Time) *packet.Signature {
	return newest(s.sigs, now, func(sig *packet.Signature) bool {
		return sig.SigType == packet.SigTypeSubkeyBinding && c.primary.VerifyKeySignature(s.key, sig) == nil
	})
}

// revocations are the valid ones of the primary key.
func (c *certificate) revocations() (valid []*packet.Signature) {
	for _, s := range c.sigs {
		if s.SigType == packet.SigTypeKeyRevocation && c.primary.VerifyRevocationSignature(s.Signature) == nil {
			valid = append(valid, s.Signature)
		}
	}
	return valid
}

func (c *certificate) subkeyRevocations(s *subkey) (valid []*packet.Signature) {
	for _, sig := range s.sigs {
		if sig.SigType == packet.SigTypeSubkeyRevocation && c.primary.VerifySubkeyRevocationSignature(sig.Signature, s.key) == nil {
			valid = append(valid, sig.Signature)
		}
	}
	return valid
}

// fault says why a key can't be used at a time, given what binds it. It is
// empty if it can.
func fault(key *packet.PublicKey, binding *packet.Signature, revocations []*packet.Signature, now time.Time) string {
	switch {
	case len(revocations) > 0:
		return "it was revoked on " + day(revocations[0].CreationTime)
	case key.CreationTime.After(now):
		return "it was made on " + day(key.CreationTime) + ", which is in the future"
	case binding == nil:
		return "it has no valid signature of its own"
	case key.KeyExpired(binding, now):
		return "it expired on " + day(key.CreationTime.Add(time.Duration(*binding.KeyLifetimeSecs)*time.Second))
	}
	return ""
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// fault says why the certificate can't be used at a time.
func (c *certificate) fault(now time.Time) string {
	return fault(c.primary, c.binding(now), c.revocations(), now)
}

// purpose is what a key is wanted for.
type purpose struct {
	name string
	fits func(*packet.PublicKey, *packet.Signature) bool
}

// toEncrypt goes by the key's flags, or by its algorithm where there are none
// (RFC 4880, 5.2.3.21).
func toEncrypt() purpose {
	return purpose{"encryption", func(key *packet.PublicKey, binding *packet.Signature) bool {
		return key.PubKeyAlgo.CanEncrypt() && (!binding.FlagsValid || binding.FlagEncryptCommunications || binding.FlagEncryptStorage)
	}}
}

// toSign wants the flag on a subkey, since only then it is bound in return.
func toSign() purpose {
	return purpose{"signing", func(key *packet.PublicKey, binding *packet.Signature) bool {
		return key.PubKeyAlgo.CanSign() && (binding.FlagSign || !binding.FlagsValid && !key.IsSubkey)
	}}
}

// usable returns the subkeys good for a purpose at a time, newest first, as
// GnuPG prefers them; and why the others aren't.
func (c *certificate) usable(p purpose, now time.Time) (keys []*packet.PublicKey, faults []string) {
	for _, s := range c.subkeys {
		why := c.unfit(s.key, p, now)
		switch {
		case why == "":
			keys = append(keys, s.key)
		case why != p.mismatch():
			faults = append(faults, fmt.Sprintf("subkey %s: %s", s.key.KeyIdString(), why))
		}
	}
	slices.SortStableFunc(keys, func(a, b *packet.PublicKey) int { return b.CreationTime.Compare(a.CreationTime) })
	return keys, faults
}

func (p purpose) mismatch() string { return "it isn't for " + p.name }

// unfit says why one key of the certificate can't be used for a purpose. It is
// empty if it can.
func (c *certificate) unfit(key *packet.PublicKey, p purpose, now time.Time) string {
	if why := c.fault(now); why != "" {
		return why
	}
	binding := c.binding(now)
	if key != c.primary {
		s := c.subkey(key)
		binding = c.bound(s, now)
		if why := fault(key, binding, c.subkeyRevocations(s), now); why != "" {
			return why
		}
	}
	if !p.fits(key, binding) {
		return p.mismatch()
	}
	return ""
}

// describe names the certificate for messages.
func (c *certificate) describe() string {
	if len(c.users) == 0 {
		return fmt.Sprintf("%X", c.primary.Fingerprint)
	}
	return fmt.Sprintf("%X (%s)", c.primary.Fingerprint, c.users[0].name)
}
