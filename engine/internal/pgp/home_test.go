package pgp

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/secret"
)

// home is a folder of the real gpg.
type home struct {
	dir string
}

// newHome makes one with a short path, for the sockets in it, and ends its
// agent with the test. Keys are protected as the agent's settings say.
func newHome(t testing.TB, settings ...string) home {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgp")
	if err != nil {
		t.Fatal(err)
	}
	h := home{dir}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "gpgconf", "--homedir", dir, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("end gpg-agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	text := strings.Join(append(settings, "s2k-count 65536"), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "gpg-agent.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// run runs gpg with a passphrase, and returns what it writes and its status lines.
func (h home) run(t testing.TB, with string, in []byte, args ...string) (out []byte, status string) {
	t.Helper()
	out, status, err := h.try(t, with, in, args...)
	if err != nil {
		t.Fatalf("gpg %v: %v\n%s", args, err, status)
	}
	return out, status
}

func (h home) try(t testing.TB, with string, in []byte, args ...string) (out []byte, status string, err error) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := io.WriteString(write, with); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	base := []string{"--batch", "--no-tty", "--yes", "--homedir", h.dir, "--trust-model=always", "--pinentry-mode=loopback", "--passphrase-fd=3", "--status-fd=2"}
	cmd := exec.CommandContext(t.Context(), "gpg", append(base, args...)...)
	cmd.Stdin, cmd.ExtraFiles = bytes.NewReader(in), []*os.File{read}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err = cmd.Output()
	return out, stderr.String(), err
}

// generate makes a key, with subkeys of "ALGORITHM USAGE", and returns its fingerprint.
func (h home) generate(t testing.TB, with, user, kind string, subkeys ...string) string {
	t.Helper()
	algorithm, usage, _ := strings.Cut(kind, " ")
	_, status := h.run(t, with, nil, "--quick-gen-key", user, algorithm, usage, "0")
	fingerprint := created(t, status)
	for _, sub := range subkeys {
		algorithm, usage, _ := strings.Cut(sub, " ")
		h.run(t, with, nil, "--quick-add-key", fingerprint, algorithm, usage, "0")
	}
	return fingerprint
}

func created(t testing.TB, status string) string {
	t.Helper()
	for line := range strings.Lines(status) {
		if words := strings.Fields(line); len(words) == 4 && words[1] == "KEY_CREATED" {
			return words[3]
		}
	}
	t.Fatalf("no key was created:\n%s", status)
	return ""
}

// colons returns a field of all records of a type in gpg's listing.
func (h home) colons(t testing.TB, record string, field int, args ...string) (values []string) {
	t.Helper()
	out, _ := h.run(t, "", nil, append([]string{"--with-colons", "--with-keygrip", "--list-keys"}, args...)...)
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(line, ":"); f[0] == record {
			values = append(values, f[field-1])
		}
	}
	return values
}

func (h home) keyring(t testing.TB) *Keyring {
	t.Helper()
	return readKeyring(t, h.dir)
}

// readKeyring reads a folder without problems.
func readKeyring(t testing.TB, dir string) *Keyring {
	t.Helper()
	k, err := ReadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range k.Problems() {
		t.Errorf("problem: %v", p)
	}
	return k
}

// folder is a new one with the given files.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func encryptor(t testing.TB, o EncryptOptions) *Encryptor {
	t.Helper()
	e, err := NewEncryptor(options(o))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decryptor(t testing.TB, o DecryptOptions) *Decryptor {
	t.Helper()
	o.Now = time.Now
	d, err := NewDecryptor(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *Decryptor) all(message []byte) ([]byte, error) {
	r, err := d.Decrypt(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// reads checks that a message has the content.
func reads(t testing.TB, what string, d *Decryptor, message, plain []byte) {
	t.Helper()
	if got, err := d.all(message); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%s: we read %d bytes of %d, %v", what, len(got), len(plain), err)
	}
}

func text(s string) secret.String { return secret.New(s) }

func hexID(fingerprint string) string { return fingerprint[len(fingerprint)-16:] }

func mustFind(t testing.TB, k *Keyring, fingerprint string) *certificate {
	t.Helper()
	found := k.find(fingerprint, time.Now())
	if len(found) != 1 {
		t.Fatalf("%d keys %s", len(found), fingerprint)
	}
	return found[0].certificate
}
