package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// aged is a home with keys that have a history.
type aged struct {
	home
	old, gone, twin1, twin2, rotated, signer string
}

func newAged(t *testing.T) aged {
	t.Helper()
	a := aged{home: newHome(t)}
	// With "!" the clock stands still: a key is never newer than the next command.
	at := func(day string, args ...string) string {
		_, status := a.run(t, "", nil, append([]string{"--faked-system-time", day + "T000000!"}, args...)...)
		for line := range strings.Lines(status) {
			if f := strings.Fields(line); len(f) == 4 && f[1] == "KEY_CREATED" {
				return f[3]
			}
		}
		return ""
	}
	key := func(day, user, expire string) string {
		f := at(day, "--quick-gen-key", user, "ed25519", "sign", expire)
		at(day, "--quick-add-key", f, "cv25519", "encr", expire)
		return f
	}
	a.old = key("20200101", "Old <old@example.org>", "1y")
	a.gone = key("20200101", "Gone <gone@example.org>", "0")
	rev, err := os.ReadFile(filepath.Join(a.dir, "openpgp-revocs.d", a.gone+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	a.run(t, "", bytes.ReplaceAll(rev, []byte(":---"), []byte("---")), "--import")
	a.twin1 = key("20200101", "Twin One <twin@example.org>", "0")
	a.twin2 = key("20200102", "Twin Two <twin@example.org>", "0")
	a.rotated = key("20200101", "Rotated <rotated@example.org>", "0")
	at("20220101", "--quick-add-key", a.rotated, "cv25519", "encr", "0")
	at("20210101", "--quick-add-key", a.rotated, "cv25519", "encr", "0")
	at("20230101", "--quick-add-key", a.rotated, "cv25519", "encr", "1y") // expired
	a.signer = at("20200101", "--quick-gen-key", "Signer <signer@example.org>", "ed25519", "sign", "0")
	key("20200101", "Old <renewed@example.org>", "1y")
	key("20240101", "New <renewed@example.org>", "0")
	return a
}

// spaced is a fingerprint as gpg --fingerprint prints it.
func spaced(f string) string {
	var groups []string
	for ; len(f) > 0; f = f[4:] {
		groups = append(groups, f[:4])
	}
	return strings.Join(groups[:5], " ") + "  " + strings.Join(groups[5:], " ")
}

// The choice is gpg's own wherever gpg makes one.
func TestChoice(t *testing.T) {
	a := newAged(t)
	k := a.keyring(t)
	in2020, now := time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC), time.Now()
	for _, c := range []struct {
		name string
		now  time.Time
		want []string // of the error, none if it is good
	}{
		{"rotated@example.org", now, nil},
		{a.rotated, now, nil}, {"0x" + hexID(a.rotated), now, nil}, {a.rotated[32:], now, nil}, {strings.ToLower(a.rotated), now, nil},
		{spaced(a.rotated), now, nil},
		{"ROTATED@EXAMPLE.ORG", now, nil}, {"<rotated@example.org>", now, nil}, {"=Rotated <rotated@example.org>", now, nil},
		{"@rotated@ex", now, nil}, {"*otate", now, nil}, {"otate", now, nil}, {"renewed@example.org", now, nil},
		{a.twin1, now, nil}, {"Twin One", now, nil},
		{"twin@example.org", now, []string{"several keys", a.twin1, a.twin2}},
		{"example.org", now, []string{"several keys"}},
		{"old@example.org", in2020, nil},
		{"old@example.org", now, []string{a.old, "expired on 2020-12-31"}},
		{a.gone, now, []string{a.gone, "revoked on "}},
		{"signer@example.org", now, []string{"no key for encryption"}},
		{hexID(a.signer) + "!", now, []string{"isn't for encryption"}},
		{"nobody@example.org", now, []string{"there is none", a.dir}},
		{"DEADBEEF", now, []string{"there is none"}}, {"", now, []string{"there is none"}}, {"*", now, []string{"there is none"}},
		{"rotated@example", now, nil}, // as text
		{"<rotated@example>", now, []string{"there is none"}},
		{a.rotated, time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), []string{"in the future"}},
	} {
		key, err := k.recipient(c.name, c.now)
		if len(c.want) > 0 {
			wantKeyError(t, err, append(c.want, fmt.Sprintf("%q", c.name))...)
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.name, err)
			continue
		}
		if c.now != now || c.name == "rotated@example" || strings.Contains(c.name, "Twin One") {
			continue
		}
		message, _ := a.run(t, "", []byte("x"), "-e", "-r", c.name)
		_, status, _ := a.try(t, "", message, "--list-only", "--decrypt")
		if !strings.Contains(status, "ENC_TO "+key.KeyIdString()) {
			t.Errorf("%q: we take %s, gpg another\n%s", c.name, key.KeyIdString(), status)
		}
	}
	_, err := k.signer(a.gone, nil, now)
	wantKeyError(t, err, "no use for signing", "revoked")
	_, err = k.signer("old", nil, now)
	wantKeyError(t, err, "no use for signing", "Old <old", "Old <renewed", "expired")
}

// A signature of a key that has expired since still counts; one of a revoked
// key doesn't.
func TestSignatureOfOldKey(t *testing.T) {
	a := newAged(t)
	sign := func(by string) []byte {
		out, _ := a.run(t, "", []byte("x"), "--faked-system-time", "20200601T000000", "-se", "-r", "twin@example.org", "-u", by)
		return out
	}
	k := a.keyring(t)
	for by, good := range map[string]bool{a.old: true, a.signer: true} {
		got, err := decryptor(t, DecryptOptions{Keyring: k, SignKey: by}).all(sign(by))
		if (err == nil) != good || good && string(got) != "x" {
			t.Errorf("by %s: %q, %v", by, got, err)
		}
	}
	message := sign(a.signer)
	rev, err := os.ReadFile(filepath.Join(a.dir, "openpgp-revocs.d", a.signer+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	a.run(t, "", bytes.ReplaceAll(rev, []byte(":---"), []byte("---")), "--import")
	if got, err := decryptor(t, DecryptOptions{Keyring: a.keyring(t), SignKey: a.signer}).all(message); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("by a revoked key: %q, %v", got, err)
	}
	wrong := sign(a.old)
	if _, err := decryptor(t, DecryptOptions{Keyring: a.keyring(t), SignKey: a.twin1}).all(wrong); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), hexID(a.old)) {
		t.Errorf("by another: %v", err)
	}
}

// What can't be read is told by name, and the rest still counts.
func TestProblems(t *testing.T) {
	key, err := os.ReadFile("testdata/key.asc")
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string][]byte{
		"good.asc": key, "notes.txt": []byte("hello"), "cut.asc": key[:len(key)/2], "broken.gpg": {0x99, 0xff, 0xff},
		"empty.gpg": nil, "gpg.conf": []byte("x"), ".hidden": []byte("x"), "pubring.kbx~": []byte("x"), "tofu.db": []byte("x"),
		"box.kbx":                  []byte("\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"),
		agentFolder + "/AB.key":    []byte("(what)"),
		agentFolder + "/CD.key":    bytes.Repeat([]byte(" "), maxAgentFile+1),
		agentFolder + "/EF.tmp":    []byte("x"),
		"sub/other.asc":            []byte("x"),
		"public-keys.d/pubring.db": []byte("SQLite"),
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	big, err := os.Create(filepath.Join(dir, "big.gpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(big.Truncate(maxKeyFile+1), big.Close(), os.Symlink("nowhere", filepath.Join(dir, "dangling.asc"))); err != nil {
		t.Fatal(err)
	}
	k, err := ReadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"notes.txt", "cut.asc", "broken.gpg", "box.kbx", "AB.key", "CD.key", "pubring.db", "big.gpg", "dangling.asc"}
	for _, name := range want {
		if !strings.Contains(fmt.Sprint(k.Problems()), "/"+name+":") {
			t.Errorf("nothing is said about %s", name)
		}
	}
	if len(k.Problems()) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(k.Problems()), len(want), k.Problems())
	}
	if _, err := k.recipient("sample@example.org", time.Now()); err != nil {
		t.Error(err)
	}
	_, err = k.recipient("else", time.Now())
	wantKeyError(t, err, fmt.Sprintf("%d files could not be read", len(want)))
	if _, err := ReadKeyring(filepath.Join(dir, "good.asc")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file as the folder: %v", err)
	}
}

// Self-signatures count only if they verify: nobody else's words make a key
// valid, longer-lived or another's.
func TestForgedCertificate(t *testing.T) {
	b, err := os.ReadFile("testdata/key.asc")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := dearmor(b)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := splitPackets(plain)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packets {
		if p.tag != tagSignature && p.tag != tagUserID {
			continue
		}
		changed := append([]rawPacket(nil), packets...)
		body := bytes.Clone(p.body)
		body[len(body)-1] ^= 1
		changed[i].body = body
		k := newKeyring(t.TempDir())
		if _, err := k.add("x", changed); err != nil {
			t.Fatal(err)
		}
		if key, err := k.recipient("sample", time.Now()); err == nil {
			t.Errorf("packet %d (tag %d) changed: key %s is taken", i, p.tag, key.KeyIdString())
		}
	}
}

// The sample key was made so, and expires never:
//
//	gpg --quick-gen-key "Sample <sample@example.org>" ed25519 sign 0
//	gpg --quick-add-key FINGERPRINT cv25519 encr 0
func TestSampleIsGood(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "gpg", "--homedir", t.TempDir(), "--show-keys", "testdata/key.asc").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "sample@example.org") {
		t.Errorf("%v\n%s", err, out)
	}
}
