package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// wantRefusal checks the shape of every failure: the exit status, one error
// line, and a hint below it.
func wantRefusal(t *testing.T, r result, code int, words ...string) {
	t.Helper()
	errors, hints := 0, 0
	for line := range strings.Lines(r.stderr) {
		switch {
		case strings.HasPrefix(line, "error: "):
			errors++
		case strings.HasPrefix(line, "hint: "):
			hints++
		}
	}
	if r.code != code || errors != 1 || hints == 0 {
		t.Errorf("want exit %d, one error line and a hint, got: %s", code, r)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("want %q in: %s", word, r)
		}
	}
	if strings.Contains(r.stdout+r.stderr, passphrase) {
		t.Errorf("the passphrase is shown: %s", r)
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t)
	p := w.purser("bind")
	write(t, filepath.Join(p.source, "file"), []byte("content"), 0o644)
	readOnly := func(m string) string {
		if strings.HasSuffix(m, ":/target") {
			return m + ":ro"
		}
		return m
	}
	noSocket := func(m string) string {
		if strings.HasSuffix(m, "/docker.sock") {
			return ""
		}
		return m
	}
	noSource := func(m string) string {
		if strings.HasSuffix(m, ":/backup") {
			return ""
		}
		return m
	}
	w.postgres("postgres", "postgres:17")
	for _, c := range []struct {
		name   string
		purser *purser
		args   []string
		code   int
		words  []string
	}{
		{"no target", p.without("BACKUP_DUPLICITY_URL"), []string{"run"}, 2, []string{"BACKUP_DUPLICITY_URL"}},
		{"unknown scheme", p.with("BACKUP_DUPLICITY_URL=carrier-pigeon://loft"), []string{"run"}, 2, []string{"carrier-pigeon"}},
		{"target not writable", p.remount(readOnly), []string{"run"}, 1, []string{"/target"}},
		{"no key and no passphrase", p.without("PASSPHRASE"), []string{"run"}, 12, []string{"PASSPHRASE", "--no-encryption"}},
		{"socket absent", p.remount(noSocket), []string{"run"}, 1, []string{"/var/run/docker.sock"}},
		{"source on no mount", p.remount(noSource), []string{"run"}, 1, []string{"/backup"}},
		{"no backup there", p, []string{"restore", "/restore/none"}, 10, nil},
		{"unknown command", p, []string{"bakcup"}, 2, []string{"backup"}},
		{"unknown variable", p.with("BACKUP_DUPLICITY_FULL_IF_OLDER_THEN=3D"), []string{"run"}, 2, []string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefusal(t, c.purser.run(c.args...), c.code, c.words...)
			if n := count(t, filepath.Join(p.target, "*")); n > 0 {
				t.Errorf("%d files were written to the target", n)
			}
		})
	}
	p.must("run")
	t.Run("wrong passphrase", func(t *testing.T) {
		wantRefusal(t, p.fresh().with("PASSPHRASE=another").run("restore", "/restore/wrong"), 12, "PASSPHRASE")
	})
	p.wantNothingLeft()
}

// One service's password no longer fits: its last good dump stays, the other
// service is dumped, the backup goes on, and the run is incomplete.
func TestWrongDatabasePassword(t *testing.T) {
	w := newWorld(t)
	maria, postgres := w.mariadb("mariadb", "mariadb:11"), w.postgres("postgres", "postgres:17")
	maria.fill()
	postgres.fill()
	p := w.purser("named volume")
	p.must("run")
	good := snapshot(t, p.source)

	maria.query("alter user root@'%' identified by 'changed', root@localhost identified by 'changed';")
	postgres.query("update goods set weight = 0;")
	wantRefusal(t, p.run("run"), 3, maria.id(), "password")
	now := snapshot(t, p.source)
	wantSame(t, "the last good dump", dumpOf(good, maria), dumpOf(now, maria))
	if dumpOf(good, postgres)["dump/"+postgres.id()+"/shop.sql"] == dumpOf(now, postgres)["dump/"+postgres.id()+"/shop.sql"] {
		t.Error("the other service was not dumped")
	}
	p.wantChain(1)
	wantSame(t, "the restore", now, snapshot(t, p.fresh().restored()))
	p.wantNothingLeft()

	wantRefusal(t, p.run("dump", maria.id()), 3, maria.id())
	if r := p.run("dump", postgres.id()); r.code != 0 {
		t.Errorf("the dump of the other service: %s", r)
	}
}
