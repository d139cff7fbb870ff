package pgp

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// selector is how a user names a key, in GnuPG's notation: a key id of 8 or 16
// or a fingerprint of 40 hexadecimal digits, with 0x or without, where a "!"
// behind means this very subkey; =USER ID; <MAIL>; @PART OF A MAIL; *TEXT; a
// mail; or text that stands in a user id. Case doesn't matter.
type selector struct {
	id    []byte // the end of a fingerprint
	exact bool
	match func(user string) bool // nil for an id
	loose func(user string) bool // asked if match finds nothing
}

func parseSelector(name string) selector {
	name = strings.TrimSpace(name)
	if s, ok := parseID(name); ok {
		return s
	}
	contains := func(part string) func(string) bool {
		part = strings.ToLower(part)
		return func(user string) bool { return part != "" && strings.Contains(strings.ToLower(user), part) }
	}
	is := func(mail string) func(string) bool {
		return func(user string) bool { return strings.EqualFold(mailOf(user), mail) }
	}
	text, found := "", false
	if text, found = strings.CutPrefix(name, "="); found {
		return selector{match: func(user string) bool { return user == text }}
	}
	if text, found = strings.CutPrefix(name, "<"); found {
		return selector{match: is(strings.TrimSuffix(text, ">"))}
	}
	if text, found = strings.CutPrefix(name, "@"); found {
		in := contains(text)
		return selector{match: func(user string) bool { return in(mailOf(user)) }}
	}
	if text, found = strings.CutPrefix(name, "*"); found {
		return selector{match: contains(text)}
	}
	if mailOf(name) == name && name != "" {
		return selector{match: is(name), loose: contains(name)}
	}
	return selector{match: contains(name)}
}

func parseID(name string) (selector, bool) {
	digits, exact := strings.CutSuffix(name, "!")
	digits = strings.TrimPrefix(strings.TrimPrefix(digits, "0x"), "0X")
	if plain := strings.ReplaceAll(digits, " ", ""); len(plain) == 40 {
		digits = plain
	}
	id, err := hex.DecodeString(digits)
	if err != nil || len(digits) != 8 && len(digits) != 16 && len(digits) != 40 {
		return selector{}, false
	}
	return selector{id: id, exact: exact}, true
}

// mailOf is the mail address in a user id, or empty.
func mailOf(user string) string {
	if from := strings.LastIndexByte(user, '<'); from >= 0 {
		if to := strings.IndexByte(user[from:], '>'); to >= 0 {
			return user[from+1 : from+to]
		}
	}
	if strings.Contains(user, "@") && !strings.ContainsAny(user, " \t<>") {
		return user
	}
	return ""
}

// names tells whether the id is that of a key.
func (s selector) names(key *packet.PublicKey) bool {
	return strings.HasSuffix(string(key.Fingerprint), string(s.id))
}

// match is a certificate that a selector stands for, and the key in it that an
// id names; the primary one otherwise.
type match struct {
	*certificate
	key *packet.PublicKey
}

// find returns all certificates that a name stands for.
func (k *Keyring) find(name string, now time.Time) []match {
	if k == nil {
		return nil
	}
	s := parseSelector(name)
	if s.match == nil {
		return k.findID(s)
	}
	found := k.findUser(s.match, now)
	if len(found) == 0 && s.loose != nil {
		found = k.findUser(s.loose, now)
	}
	return found
}

func (k *Keyring) findID(s selector) (found []match) {
	for _, c := range k.certificates {
		if s.names(c.primary) {
			found = append(found, match{c, c.primary})
			continue
		}
		for _, sub := range c.subkeys {
			if s.names(sub.key) {
				found = append(found, match{c, sub.key})
				break
			}
		}
	}
	return found
}

func (k *Keyring) findUser(fits func(string) bool, now time.Time) (found []match) {
	for _, c := range k.certificates {
		for _, u := range c.users {
			if fits(u.name) && c.selfSignature(u, now) != nil {
				found = append(found, match{c, c.primary})
				break
			}
		}
	}
	return found
}

// choose finds the one certificate that a name stands for and that try makes
// something of. try's text says why it can't.
func choose[T any](k *Keyring, name string, now time.Time, p purpose, try func(match) (T, string)) (result T, err error) {
	var good, bad []string
	for _, m := range k.find(name, now) {
		r, why := try(m)
		if why != "" {
			bad = append(bad, m.describe()+": "+why)
			continue
		}
		if len(good) == 0 {
			result = r
		}
		good = append(good, m.describe())
	}
	switch {
	case len(good) == 1:
		return result, nil
	case len(good) > 1:
		return result, k.keyError(name, "name one by its fingerprint", "several keys have this name: %s", list(good))
	case len(bad) > 0:
		return result, k.keyError(name, "name another key, or bring this one up to date there", "no use for %s: %s", p.name, list(bad))
	}
	return result, k.missing(name)
}

// recipient finds the key to encrypt to.
func (k *Keyring) recipient(name string, now time.Time) (*packet.PublicKey, error) {
	exact := parseSelector(name).exact
	return choose(k, name, now, toEncrypt(), func(m match) (*packet.PublicKey, string) {
		if why := m.fault(now); why != "" {
			return nil, why
		}
		if exact {
			return m.key, m.unfit(m.key, toEncrypt(), now)
		}
		keys, faults := m.usable(toEncrypt(), now)
		if len(keys) > 0 {
			return keys[0], ""
		}
		if m.unfit(m.primary, toEncrypt(), now) == "" {
			return m.primary, ""
		}
		if len(faults) == 0 {
			faults = []string{"it has no key for encryption"}
		}
		return nil, list(faults)
	})
}

// signers are the keys that a name stands for when something is signed, best
// first: the one that an id names; of a certificate the primary key, so that
// the signature bears the id that the user knows, then the newest subkey.
func (m match) signers(exact bool, now time.Time) (keys []*packet.PublicKey, why string) {
	if why := m.fault(now); why != "" {
		return nil, why
	}
	if exact || m.key != m.primary {
		return []*packet.PublicKey{m.key}, m.unfit(m.key, toSign(), now)
	}
	if m.unfit(m.primary, toSign(), now) == "" {
		keys = append(keys, m.primary)
	}
	subkeys, faults := m.usable(toSign(), now)
	if keys = append(keys, subkeys...); len(keys) > 0 {
		return keys, ""
	}
	if len(faults) == 0 {
		faults = []string{"it has no key for signing"}
	}
	return nil, list(faults)
}

// signer finds and unlocks the key to sign with. A primary key whose secret
// part isn't there is passed over for a subkey.
func (k *Keyring) signer(name string, phrase []byte, now time.Time) (*packet.PrivateKey, error) {
	exact := parseSelector(name).exact
	keys, err := choose(k, name, now, toSign(), func(m match) ([]*packet.PublicKey, string) {
		return m.signers(exact, now)
	})
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if len(k.secretsOf(key)) > 0 {
			return k.unlock(key, phrase)
		}
	}
	return k.unlock(keys[0], phrase)
}
