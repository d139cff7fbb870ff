package pgp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ProtonMail/go-crypto/ocb"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

var (
	errLocked       = errors.New("it is locked and there is no passphrase")
	errPhrase       = errors.New("the passphrase doesn't unlock it")
	errOnCard       = errors.New("it is on a smart card")
	errAgentKey     = errors.New("no secret key of GnuPG")
	errProtection   = errors.New("its protection is of an unknown kind")
	errForeignParts = errors.New("its parts don't fit the public key")
)

// parseAgentKey reads a file of GnuPG's private-keys-v1.d: a canonical
// S-expression, or lines of "Name: value" with the expression under Key. The
// result is one of (private-key ...), (protected-private-key ...) and
// (shadowed-private-key ...).
func parseAgentKey(b []byte) (*sexp, error) {
	if len(b) > 0 && b[0] != '(' {
		b = namedValue(b, "key")
	}
	s, _, err := parseSexp(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAgentKey, err)
	}
	switch s.name() {
	case "private-key", "protected-private-key", "shadowed-private-key":
		if s.sub(1) != nil {
			return s, nil
		}
	}
	return nil, errAgentKey
}

// namedValue returns the value of a name, in lower case. A line that begins
// with a space continues the one before it.
func namedValue(b []byte, name string) []byte {
	var value []byte
	found := false
	for line := range bytes.Lines(b) {
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) > 0 && isSpace(line[0]):
			if found {
				value = append(value, line[1:]...)
			}
		case found:
			return value
		default:
			head, rest, ok := bytes.Cut(line, []byte(":"))
			if ok && strings.EqualFold(string(head), name) {
				found, value = true, bytes.Clone(rest)
			}
		}
	}
	return value
}

// unlockAgentKey makes the secret key of pub out of GnuPG's form of it. The
// passphrase isn't looked at if the key has none.
func unlockAgentKey(s *sexp, pub *packet.PublicKey, phrase []byte) (*packet.PrivateKey, error) {
	params := s.sub(1)
	if s.name() == "shadowed-private-key" {
		return nil, errOnCard
	}
	if s.name() == "protected-private-key" {
		protected := params.find("protected")
		var err error
		switch string(protected.at(1)) {
		case "openpgp-native":
			return unlockNative(protected.find("openpgp-private-key"), pub, phrase)
		case "openpgp-s2k3-sha1-aes-cbc":
			params, err = unprotectCBC(params, protected, phrase)
		case "openpgp-s2k3-ocb-aes":
			params, err = unprotectOCB(params, protected, phrase)
		default:
			return nil, fmt.Errorf("%w: %.40q", errProtection, protected.at(1))
		}
		if err != nil {
			return nil, err
		}
	}
	var secrets [][]byte
	for _, name := range secretNames(pub.PubKeyAlgo) {
		secrets = append(secrets, params.find(string(name)).at(1))
	}
	return assemble(pub, secrets)
}

// secretNames are the secret parameters of an algorithm, in the order of
// OpenPGP.
func secretNames(algo packet.PublicKeyAlgorithm) string {
	switch algo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return "dpqu"
	case packet.PubKeyAlgoElGamal, packet.PubKeyAlgoDSA:
		return "x"
	}
	return "d"
}

// assemble makes an unprotected secret key packet (RFC 4880, 5.5.3) and has it
// parsed, which compares the secret with the public parameters.
func assemble(pub *packet.PublicKey, secrets [][]byte) (*packet.PrivateKey, error) {
	var numbers []byte
	for i, value := range secrets {
		if len(value) == 0 || len(value) > 1<<13-1 {
			return nil, fmt.Errorf("%w: parameter %c", errForeignParts, secretNames(pub.PubKeyAlgo)[i])
		}
		numbers = appendMPI(numbers, value)
	}
	var sum uint16
	for _, b := range numbers {
		sum += uint16(b)
	}
	body := append(publicBody(pub), 0) // not protected
	body = append(body, numbers...)
	return parseSecret(pub, binary.BigEndian.AppendUint16(body, sum))
}

func parseSecret(pub *packet.PublicKey, body []byte) (*packet.PrivateKey, error) {
	p, err := rawPacket{tagSecretKey, body}.parse()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForeignParts, err)
	}
	key, ok := p.(*packet.PrivateKey)
	if !ok {
		return nil, errForeignParts
	}
	key.IsSubkey = pub.IsSubkey
	return key, nil
}

// agentS2K derives the key of ((sha1 SALT COUNT) IV), the second part of a
// protection (GnuPG's keyformat.txt). A count below 256 is OpenPGP's code.
func agentS2K(protected *sexp, phrase []byte) (block cipher.Block, iv []byte, err error) {
	if len(phrase) == 0 {
		return nil, nil, errLocked
	}
	args := protected.sub(2)
	derive := args.sub(0)
	salt, iv := derive.at(1), args.at(1)
	count, err := strconv.ParseUint(string(derive.at(2)), 10, 31)
	if err == nil && count < 256 {
		count = (16 + count&15) << (count>>4 + 6)
	}
	if err != nil || derive.name() != "sha1" || len(salt) != 8 || count < 1024 {
		return nil, nil, errProtection
	}
	key := make([]byte, 16)
	iterated(key, sha1.New(), phrase, salt, int(count))
	block, err = aes.NewCipher(key)
	return block, iv, err
}

// unprotectOCB opens openpgp-s2k3-ocb-aes. The key without its protection is
// authenticated with it.
func unprotectOCB(params, protected *sexp, phrase []byte) (*sexp, error) {
	block, nonce, err := agentS2K(protected, phrase)
	if err != nil {
		return nil, err
	}
	const nonceLen, tagLen = 12, 16
	if len(nonce) != nonceLen {
		return nil, errProtection
	}
	aead, err := ocb.NewOCBWithNonceAndTagSize(block, nonceLen, tagLen)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, protected.at(3), without(params, "protected").canonical(nil))
	if err != nil {
		return nil, errPhrase
	}
	s, _, err := parseSexp(plain)
	if err != nil {
		return nil, errPhrase
	}
	return s.sub(0), nil
}

// unprotectCBC opens openpgp-s2k3-sha1-aes-cbc: the secret parameters and a
// hash over them and the public ones.
func unprotectCBC(params, protected *sexp, phrase []byte) (*sexp, error) {
	block, iv, err := agentS2K(protected, phrase)
	if err != nil {
		return nil, err
	}
	sealed := protected.at(3)
	if len(iv) != aes.BlockSize || len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errProtection
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	s, _, err := parseSexp(plain)
	if err != nil || s.sub(0) == nil || string(s.sub(1).at(0)) != "hash" {
		return nil, errPhrase
	}
	whole := &sexp{isList: true}
	for _, part := range params.list {
		if part.isList && part.name() == "protected" {
			whole.list = append(whole.list, s.sub(0).list...)
			continue
		}
		whole.list = append(whole.list, part)
	}
	sum := sha1.Sum(whole.canonical(nil))
	if subtle.ConstantTimeCompare(sum[:], s.sub(1).at(2)) != 1 {
		return nil, errPhrase
	}
	return s.sub(0), nil
}

// without is a list less the lists of the given name.
func without(s *sexp, name string) *sexp {
	rest := &sexp{isList: true}
	for _, part := range s.list {
		if !part.isList || part.name() != name {
			rest.list = append(rest.list, part)
		}
	}
	return rest
}

// unlockNative opens what gpg --batch --import leaves: the parts of an OpenPGP
// packet as they were, under (openpgp-private-key ...).
func unlockNative(s *sexp, pub *packet.PublicKey, phrase []byte) (*packet.PrivateKey, error) {
	skey, protection := s.find("skey"), s.find("protection")
	if string(protection.at(1)) == "none" {
		return assemble(pub, clearParts(skey, len(secretNames(pub.PubKeyAlgo))))
	}
	head, err := nativeProtection(protection)
	if err != nil {
		return nil, err
	}
	if skey == nil || len(skey.list) < 3 || string(skey.at(len(skey.list)-2)) != "e" {
		return nil, errProtection
	}
	body := append(publicBody(pub), head...)
	key, err := parseSecret(pub, append(body, skey.at(len(skey.list)-1)...))
	if err != nil {
		return nil, err
	}
	return key, unlockPacket(key, phrase)
}

// clearParts are the last n values of "_ VALUE _ VALUE ...", missing ones nil.
func clearParts(skey *sexp, n int) [][]byte {
	parts := make([][]byte, n)
	if skey == nil || len(skey.list) < 1+2*n {
		return parts
	}
	values := skey.list[len(skey.list)-2*n:]
	for i := range parts {
		if string(values[2*i].atom) == "_" {
			parts[i] = values[2*i+1].atom
		}
	}
	return parts
}

// nativeProtection writes (protection USAGE CIPHER IV S2KMODE HASH SALT COUNT)
// as it stands in a packet (RFC 4880, 5.5.3).
func nativeProtection(s *sexp) ([]byte, error) {
	usage, ok := map[string]byte{"sha1": 254, "sum": 255}[string(s.at(1))]
	algo, known := map[string]byte{"3DES": 2, "CAST5": 3, "BLOWFISH": 4, "AES": 7, "AES192": 8, "AES256": 9, "TWOFISH": 10}[string(s.at(2))]
	mode, err := strconv.ParseUint(string(s.at(4)), 10, 8)
	hash, hashed := map[string]byte{"SHA1": 2, "SHA256": 8, "SHA384": 9, "SHA512": 10, "SHA224": 11}[string(s.at(5))]
	if !ok || !known || !hashed || err != nil {
		return nil, fmt.Errorf("%w: %.40q with %.40q", errProtection, s.at(1), s.at(2))
	}
	head := []byte{usage, algo, byte(mode), hash}
	if mode > 0 {
		head = append(head, s.at(6)...)
	}
	if mode == 3 {
		count, err := strconv.ParseUint(string(s.at(7)), 10, 8)
		if err != nil {
			return nil, errProtection
		}
		head = append(head, byte(count))
	}
	return append(head, s.at(3)...), nil
}
