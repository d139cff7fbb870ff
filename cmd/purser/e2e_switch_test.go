package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// seedEnvironment is what a user of rancher-backup has set, in the spellings of
// its README. The target is file:///target/rancher, put together of two.
func seedEnvironment() []string {
	return []string{
		"BACKUP_CRON_schedule=0 0 0 * * *",
		"BACKUP_MODULE_database=true",
		"BACKUP_MODULE_stack=false",
		"BACKUP_MODULE_rancher-db=false",
		"BACKUP_DUPLICITY_source-path=/backup",
		"BACKUP_DUPLICITY_target-path=/rancher",
		"BACKUP_DUPLICITY_url=file:///target",
		"BACKUP_DUPLICITY_options=--asynchronous-upload -v5",
		"BACKUP_DUPLICITY_full-if-older-than=7D",
		"BACKUP_DUPLICITY_remove-all-but-n-full=3",
		"BACKUP_DUPLICITY_remove-all-inc-of-but-n-full=1",
		"BACKUP_DUPLICITY_volsize=1",
	}
}

// ancestor is rancher-backup as far as backups go: the real duplicity in a
// container, with the command lines that rancher-backup ran.
type ancestor struct {
	w         *world
	container string
	env       map[string]string // by rancher-backup's own names
}

// ancestor starts a container as rancher-backup's: the same environment, the
// same places, the state of duplicity inside.
func (p *purser) ancestor() *ancestor {
	p.w.t.Helper()
	a := &ancestor{w: p.w, env: map[string]string{}}
	options := []string{"--network", "none", "-e", "HOME=/opt/backup"}
	for _, e := range p.env {
		name, value, _ := strings.Cut(e, "=")
		a.env[name] = value
		options = append(options, "-e", e)
	}
	for _, m := range p.mounts {
		if !strings.HasSuffix(m, "/docker.sock") && !strings.HasSuffix(m, ":/var/lib/purser") {
			options = append(options, "-v", m)
		}
	}
	a.container = p.w.container("rancher-backup-"+random(p.w.t), "duplicity", options...)
	return a
}

// shell runs a line as rancher-backup did, by a shell, and returns what it prints.
func (a *ancestor) shell(line string) string {
	a.w.t.Helper()
	r := a.w.command(nil, "docker", "exec", a.container, "sh", "-c", line).run()
	if r.code != 0 {
		a.w.t.Fatalf("%s: %s", line, r)
	}
	return r.stdout
}

func (a *ancestor) duplicity(name string) string { return a.env["BACKUP_DUPLICITY_"+name] }

// backUp runs rancher-backup's four command lines, word for word.
func (a *ancestor) backUp() {
	a.w.t.Helper()
	crypt := "--no-encryption"
	if key := a.duplicity("encrypt-key"); key != "" {
		crypt = "--encrypt-key " + key
	}
	target := a.duplicity("url") + a.duplicity("target-path")
	a.shell(fmt.Sprintf("duplicity %s --volsize %s %s --allow-source-mismatch --full-if-older-than %s %s %s",
		a.duplicity("options"), a.duplicity("volsize"), crypt, a.duplicity("full-if-older-than"), a.duplicity("source-path"), target))
	a.shell(fmt.Sprintf("duplicity remove-all-but-n-full %s --force --allow-source-mismatch %s %s", a.duplicity("remove-all-but-n-full"), crypt, target))
	a.shell(fmt.Sprintf("duplicity remove-all-inc-of-but-n-full %s --force --allow-source-mismatch %s %s", a.duplicity("remove-all-inc-of-but-n-full"), crypt, target))
	a.shell(fmt.Sprintf("duplicity  cleanup --force %s %s", crypt, target))
}

// restored restores with duplicity and returns the path on this machine.
func (a *ancestor) restored(p *purser, time string) string {
	a.w.t.Helper()
	crypt := ""
	if a.duplicity("encrypt-key") == "" {
		crypt = "--no-encryption"
	}
	name := "duplicity-" + random(a.w.t)
	a.shell(fmt.Sprintf("duplicity restore --time %s %s %s /restore/%s", time, crypt, a.duplicity("url")+a.duplicity("target-path"), name))
	return filepath.Join(p.restore, name)
}

// makeKey makes a key pair in the mounted /opt/backup/.gnupg, as a user would
// have made it with gpg, and returns its id.
func (a *ancestor) makeKey() string {
	a.w.t.Helper()
	a.shell(`chmod 700 /opt/backup/.gnupg && echo "$PASSPHRASE" | ` +
		`gpg --batch --pinentry-mode loopback --passphrase-fd 0 --quick-generate-key "Backup <backup@example.com>" default default never`)
	found := regexp.MustCompile(`(?m)^sec:[^:]*:[^:]*:[^:]*:([0-9A-F]{16}):`).FindStringSubmatch(a.shell("gpg --with-colons --list-secret-keys"))
	if found == nil {
		a.w.t.Fatal("gpg made no key")
	}
	return found[1]
}

func (a *ancestor) remove() {
	a.w.t.Helper()
	a.w.docker("rm", "-fv", a.container)
}

// The switch from rancher-backup: the repository that its duplicity wrote is
// continued by purser's image with the unchanged environment, and by its
// duplicity after that; every point is restored by both.
func TestSwitchFromRancherBackup(t *testing.T) {
	for _, c := range []struct {
		name string
		key  bool
	}{{"unencrypted", false}, {"with a key", true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.purser("bind").without("PASSPHRASE", "BACKUP_DUPLICITY_URL").with(seedEnvironment()...)
			if c.key {
				p = p.withKey()
			}
			switchOver(t, p, c.key)
		})
	}
}

// withKey is the same installation with a key as rancher-backup's README has it.
func (p *purser) withKey() *purser {
	p.w.t.Helper()
	gnupg := p.w.t.TempDir()
	q := p.with("PASSPHRASE=" + passphrase)
	q.mounts = append(q.mounts[:len(q.mounts):len(q.mounts)], gnupg+":/opt/backup/.gnupg")
	a := q.ancestor()
	defer a.remove()
	return q.with("BACKUP_DUPLICITY_encrypt-key=" + a.makeKey())
}

func switchOver(t *testing.T, p *purser, encrypted bool) {
	t.Helper()
	random := rand.New(rand.NewPCG(5, 6))
	furnish(t, p.source, random)
	write(t, filepath.Join(p.source, "dump/shop/mysql/shop.dump"), []byte(strings.Repeat("INSERT INTO goods VALUES (1);\n", 90000)), 0o644)
	var points []map[string]string

	before := p.ancestor()
	before.backUp()
	points = append(points, snapshot(t, p.source))
	write(t, filepath.Join(p.source, "dump/shop/mysql/shop.dump"), []byte(strings.Repeat("INSERT INTO goods VALUES (2);\n", 90001)), 0o644)
	write(t, filepath.Join(p.source, "volumes/app/log.txt"), []byte("one line more\n"), 0o644)
	before.backUp()
	points = append(points, snapshot(t, p.source))
	before.remove()

	rearrange(t, p.source, random)
	write(t, filepath.Join(p.source, "dump/shop/mysql/shop.dump"), []byte(strings.Repeat("INSERT INTO goods VALUES (2);\n", 90002)), 0o644)
	r := p.must("run")
	points = append(points, snapshot(t, p.source))
	if warned := strings.Contains(r.stderr, "not encrypted"); warned == encrypted {
		t.Errorf("a warning that the backup is not encrypted: %v, want %v: %s", warned, !encrypted, r)
	}
	p.wantIncrements(2, encrypted)

	// And back: duplicity adds to what purser wrote.
	after := p.ancestor()
	defer after.remove()
	write(t, filepath.Join(p.source, "volumes/app/log.txt"), []byte("two lines\nmore\n"), 0o644)
	p.waitForNewestSet()
	after.backUp()
	points = append(points, snapshot(t, p.source))

	for i, set := range p.fresh().wantIncrements(3, encrypted) {
		when := fmt.Sprintf("restore of set %d, %s", i, set.Time)
		wantSame(t, "purser's "+when, points[i], snapshot(t, p.fresh().restored("--time", set.Time)))
		wantSame(t, "duplicity's "+when, points[i], snapshot(t, after.restored(p, set.Time)))
	}
	p.wantNothingLeft()
	if n := count(t, filepath.Join(p.target, "rancher/*.gpg")); (n > 0) != encrypted {
		t.Errorf("%d objects are encrypted", n)
	}
	if _, err := os.Stat(filepath.Join(p.target, "rancher")); err != nil {
		t.Errorf("the URL and the path were not put together: %v", err)
	}
}

// wantIncrements checks that there is one chain of so many increments, and no
// new full set, and returns its sets.
func (p *purser) wantIncrements(n int, encrypted bool) []setRow {
	p.w.t.Helper()
	c := p.sets()
	if len(c.Chains) != 1 || len(c.Chains[0].Sets) != 1+n || len(c.Incomplete)+len(c.Orphans) > 0 {
		p.w.t.Fatalf("got %+v, want one chain with %d increments", c, n)
	}
	for i, s := range c.Chains[0].Sets {
		if (s.Kind == "full") != (i == 0) || s.Encrypted != encrypted {
			p.w.t.Fatalf("set %d is %+v", i, s)
		}
	}
	return c.Chains[0].Sets
}
