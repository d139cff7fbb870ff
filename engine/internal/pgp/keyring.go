package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Limits on a folder of keys. A distribution's whole keyring has 30 MB.
const (
	maxKeyFile   = 64 << 20
	maxAgentFile = 64 << 10
	maxFiles     = 10_000
)

const agentFolder = "private-keys-v1.d"

// Keyring holds the keys of a folder. It doesn't change after it was read and
// may be used by several goroutines.
type Keyring struct {
	dir          string
	absent       bool
	certificates []*certificate
	byPrint      map[string]*certificate
	secrets      map[string][]*secretKey // by fingerprint
	agent        map[string]*secretKey   // by keygrip
	problems     []error
}

// ReadKeyring reads the keys in a folder: every file there with OpenPGP keys,
// armoured or binary, GnuPG's pubring.gpg, secring.gpg and pubring.kbx, and the
// secret keys in private-keys-v1.d. Secret keys stay locked. A folder that
// doesn't exist is an empty keyring; one that can't be read is an error. What
// else goes wrong is told by Problems.
func ReadKeyring(dir string) (*Keyring, error) {
	k := newKeyring(dir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		k.absent = true
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read folder of keys: %w", err)
	}
	for _, e := range k.limited(dir, entries) {
		if !isOther(e.Name()) {
			k.readFile(filepath.Join(dir, e.Name()))
		}
	}
	k.readAgent(filepath.Join(dir, agentFolder))
	database := filepath.Join(dir, "public-keys.d", "pubring.db")
	if _, err := os.Stat(database); err == nil {
		k.problem(database, errors.New("only GnuPG's keyboxd reads it; export the keys with gpg --export"))
	}
	return k, nil
}

func newKeyring(dir string) *Keyring {
	return &Keyring{dir: dir, byPrint: map[string]*certificate{}, secrets: map[string][]*secretKey{}, agent: map[string]*secretKey{}}
}

// Problems tells which files of the folder were passed over, and why, one error
// each. A key that is asked for and isn't there may be in one of them.
func (k *Keyring) Problems() []error { return slices.Clone(k.problems) }

func (k *Keyring) problem(file string, err error) {
	k.problems = append(k.problems, fmt.Errorf("read keys from %s: %w", file, err))
}

// place says where keys were looked for.
func (k *Keyring) place() string {
	switch {
	case k == nil:
		return "no folder"
	case k.absent:
		return k.dir + " (which doesn't exist)"
	case len(k.problems) > 0:
		return fmt.Sprintf("%s (where %d files could not be read)", k.dir, len(k.problems))
	}
	return k.dir
}

func (k *Keyring) missing(name string) error {
	return k.keyError(name, hintImport, "there is none")
}

func (k *Keyring) limited(dir string, entries []os.DirEntry) []os.DirEntry {
	if len(entries) > maxFiles {
		k.problem(dir, fmt.Errorf("it has %d files, of which %d are looked at", len(entries), maxFiles))
		return entries[:maxFiles]
	}
	return entries
}

// isOther knows the files of GnuPG's home that never hold keys, and hidden
// ones and backup copies.
func isOther(name string) bool {
	switch name {
	case "trustdb.gpg", "random_seed", "tofu.db", "sshcontrol", "trustlist.txt", "scd-event":
		return true
	}
	switch filepath.Ext(name) {
	case ".conf", ".lock", ".status", ".rev", ".bak", ".tmp", ".log":
		return true
	}
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || strings.HasPrefix(name, "S.")
}

var errTooLarge = errors.New("it is too large")

// readBounded reads a regular file, through a link too. It returns nil for a
// folder, a socket or the like.
func readBounded(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK a fifo would wait for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, nil // a socket
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return b, err
}

func (k *Keyring) readFile(path string) {
	b, err := readBounded(path, maxKeyFile)
	if err != nil {
		k.problem(path, err)
		return
	}
	if len(b) == 0 {
		return
	}
	packets, err := splitKeys(b)
	added, unread := k.add(path, packets)
	if err == nil {
		err = unread
	}
	if err == nil && added == 0 {
		err = errors.New("it holds no key")
	}
	if err != nil {
		k.problem(path, err)
	}
}

// splitKeys tells the form of a file by its content.
func splitKeys(b []byte) ([]rawPacket, error) {
	switch {
	case isKeybox(b):
		return parseKeybox(b)
	case b[0]&0x80 != 0:
		return splitPackets(b)
	case bytes.Contains(b, []byte("-----BEGIN PGP")):
		plain, err := dearmor(b)
		packets, broken := splitPackets(plain)
		return packets, errors.Join(err, broken)
	}
	return nil, errors.New("its form is unknown")
}

func (k *Keyring) readAgent(dir string) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		k.problem(dir, err)
		return
	}
	for _, e := range k.limited(dir, entries) {
		grip, found := strings.CutSuffix(e.Name(), ".key")
		if !found || strings.HasPrefix(grip, ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		b, err := readBounded(path, maxAgentFile)
		if err != nil {
			k.problem(path, err)
			continue
		}
		s, err := parseAgentKey(b)
		if err != nil {
			k.problem(path, err)
			continue
		}
		k.agent[strings.ToUpper(grip)] = &secretKey{file: path, agent: s}
	}
}

// add takes over keys and all that belongs to them (RFC 4880, 11.1), and tells
// how many primary keys there were and what is wrong with the first that can't
// be used. The same key may come several times: the parts are joined.
func (k *Keyring) add(file string, packets []rawPacket) (added int, unread error) {
	b := keyBuilder{ring: k, file: file}
	for _, p := range packets {
		switch p.tag {
		case tagPublicKey, tagSecretKey:
			if err := b.begin(p); err != nil && unread == nil {
				unread = err
			} else if err == nil {
				added++
			}
		case tagPublicSubkey, tagSecretSubkey:
			b.addSubkey(p)
		case tagUserID:
			b.addUser(p)
		case tagSignature:
			b.addSignature(p)
		case tagUserAttribute:
			b.sigs = nil
		}
	}
	return added, unread
}

// keyBuilder adds packets to the certificate that they follow.
type keyBuilder struct {
	ring *Keyring
	file string
	cert *certificate
	sigs *[]*signature // of the packet that signatures follow, nil to drop them
}

func (b *keyBuilder) begin(p rawPacket) error {
	b.cert, b.sigs = nil, nil
	key, secret, err := parseKey(p)
	if err != nil {
		return fmt.Errorf("a key can't be used: %w", err)
	}
	if key.Version != 4 || !key.PubKeyAlgo.CanSign() {
		return fmt.Errorf("key %X can't be used: version %d, algorithm %d", key.Fingerprint, key.Version, key.PubKeyAlgo)
	}
	name := string(key.Fingerprint)
	b.cert = b.ring.byPrint[name]
	if b.cert == nil {
		b.cert = &certificate{primary: key}
		b.ring.byPrint[name] = b.cert
		b.ring.certificates = append(b.ring.certificates, b.cert)
	}
	b.sigs = &b.cert.sigs
	b.addSecret(key, secret)
	return nil
}

// addSubkey passes over one of an unknown kind: the key has others.
func (b *keyBuilder) addSubkey(p rawPacket) {
	b.sigs = nil
	if b.cert == nil {
		return
	}
	key, secret, err := parseKey(p)
	if err != nil || key.Version != 4 {
		return
	}
	b.sigs = &b.cert.subkey(key).sigs
	b.addSecret(key, secret)
}

func (b *keyBuilder) addSecret(key *packet.PublicKey, secret *packet.PrivateKey) {
	if secret != nil && !secret.Dummy() {
		name := string(key.Fingerprint)
		b.ring.secrets[name] = append(b.ring.secrets[name], &secretKey{file: b.file, packet: secret})
	}
}

func (b *keyBuilder) addUser(p rawPacket) {
	b.sigs = nil
	if b.cert != nil {
		b.sigs = &b.cert.user(string(p.body)).sigs
	}
}

// addSignature keeps those that the certificate made itself.
func (b *keyBuilder) addSignature(p rawPacket) {
	if b.sigs == nil {
		return
	}
	parsed, err := p.parse()
	if err != nil {
		return // of a kind that go-crypto doesn't know: it proves nothing
	}
	if s, ok := parsed.(*packet.Signature); ok && s.Version == 4 && s.CheckKeyIdOrFingerprint(b.cert.primary) {
		*b.sigs = addSignature(*b.sigs, &signature{s, p.body})
	}
}

// parseKey reads a key packet. If the secret part is of an unknown kind, the
// public one still counts.
func parseKey(p rawPacket) (*packet.PublicKey, *packet.PrivateKey, error) {
	parsed, err := p.parse()
	if secret, ok := parsed.(*packet.PrivateKey); ok && err == nil {
		return &secret.PublicKey, secret, nil
	}
	switch p.tag {
	case tagSecretKey:
		parsed, err = rawPacket{tagPublicKey, p.body}.parse()
	case tagSecretSubkey:
		parsed, err = rawPacket{tagPublicSubkey, p.body}.parse()
	}
	key, ok := parsed.(*packet.PublicKey)
	if err == nil && !ok {
		err = fmt.Errorf("packet %d holds no key", p.tag)
	}
	return key, nil, err
}
