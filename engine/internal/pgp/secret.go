package pgp

import (
	"errors"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// secretKey is a secret key as it lies in a file: an OpenPGP packet, or
// GnuPG's own form.
type secretKey struct {
	file   string
	packet *packet.PrivateKey
	agent  *sexp
}

// hasSecrets reports whether there is a secret key, on a card or not.
func (k *Keyring) hasSecrets() bool { return k != nil && len(k.secrets)+len(k.agent) > 0 }

// secretsOf returns what there is of a key's secret, on a card or not.
func (k *Keyring) secretsOf(pub *packet.PublicKey) []*secretKey {
	if k == nil {
		return nil
	}
	found := k.secrets[string(pub.Fingerprint)]
	if s, ok := k.agent[keygrip(pub)]; ok {
		found = append([]*secretKey{s}, found...)
	}
	return found
}

// unlock returns the secret key of pub. Of several copies the first that opens
// counts. Nothing in the keyring changes.
func (k *Keyring) unlock(pub *packet.PublicKey, phrase []byte) (*packet.PrivateKey, error) {
	found := k.secretsOf(pub)
	if len(found) == 0 {
		grip := keygrip(pub)
		if grip == "" {
			return nil, k.keyError(pub.KeyIdString(), hintImport, "its secret part isn't there")
		}
		return nil, k.keyError(pub.KeyIdString(), hintImport, "its secret part isn't there, nor %s/%s.key", agentFolder, grip)
	}
	var all error
	for _, s := range found {
		key, err := s.unlock(pub, phrase)
		switch {
		case err == nil:
			return key, nil
		case all == nil:
			all = fmt.Errorf("%s: %w", s.file, err)
		default:
			all = fmt.Errorf("%w; %s: %w", all, s.file, err)
		}
	}
	hint := "export the secret key again, with gpg --export-secret-keys"
	if isLocked(all) {
		hint = hintPassphrase
	}
	return nil, k.keyError(pub.KeyIdString(), hint, "unlock its secret part: %w", all)
}

func (s *secretKey) unlock(pub *packet.PublicKey, phrase []byte) (*packet.PrivateKey, error) {
	if s.agent != nil {
		return unlockAgentKey(s.agent, pub, phrase)
	}
	key := *s.packet // which Decrypt changes
	return &key, unlockPacket(&key, phrase)
}

func unlockPacket(key *packet.PrivateKey, phrase []byte) error {
	if !key.Encrypted {
		return nil
	}
	if len(phrase) == 0 {
		return errLocked
	}
	if err := key.Decrypt(phrase); err != nil {
		return fmt.Errorf("%w: %w", errPhrase, err)
	}
	return nil
}

func isLocked(err error) bool { return errors.Is(err, errLocked) || errors.Is(err, errPhrase) }

// byID returns all keys with a key id, expired and revoked ones too: what was
// encrypted to them is still to be read.
func (k *Keyring) byID(id uint64) (keys []*packet.PublicKey) {
	return k.keys(func(key *packet.PublicKey) bool { return key.KeyId == id })
}

// withSecret returns all keys of a kind that have a secret part.
func (k *Keyring) withSecret(algo packet.PublicKeyAlgorithm) []*packet.PublicKey {
	return k.keys(func(key *packet.PublicKey) bool { return key.PubKeyAlgo == algo && len(k.secretsOf(key)) > 0 })
}

func (k *Keyring) keys(fits func(*packet.PublicKey) bool) (keys []*packet.PublicKey) {
	if k == nil {
		return nil
	}
	for _, c := range k.certificates {
		if fits(c.primary) {
			keys = append(keys, c.primary)
		}
		for _, s := range c.subkeys {
			if fits(s.key) {
				keys = append(keys, s.key)
			}
		}
	}
	return keys
}
