package main_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The main job, whole: two kinds of servers, each found by its image's name and
// by its label; dumps; a full set and increments; restored by purser without
// any state of its own and by stock duplicity, and loaded into empty servers.
func TestFromLabelToRestore(t *testing.T) {
	w := newWorld(t)
	w.docker("tag", "mariadb:11", "acme/records:7")
	w.docker("tag", "postgres:17", "acme/ledger:3")
	databases := []*database{
		w.mariadb("mariadb", "mariadb:11"),
		w.postgres("postgres", "postgres:17"),
		w.mariadb("records", "acme/records:7", "--label", "backup.type=mysql"),
		w.postgres("ledger", "acme/ledger:3", "--label", "backup.type=postgresql"),
	}
	w.mariadb("scratch", "mariadb:11", "--label", "backup.disable=true")
	for _, db := range databases {
		db.fill()
	}
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			w := &world{t: t, stack: w.stack, socket: w.socket, image: w.image}
			mainJob(t, w.purser(place), databases)
		})
	}
}

func mainJob(t *testing.T, p *purser, databases []*database) {
	t.Helper()
	wantDiscovered(t, p, map[string]string{
		"mariadb": "dump", "postgres": "dump", "records": "dump", "ledger": "dump", "scratch": "skip",
	})
	random := rand.New(rand.NewPCG(1, 2))
	furnish(t, p.source, random)

	first := map[string]string{}
	for _, db := range databases {
		first[db.service] = db.goods()
	}
	p.must("run")
	firstTree := snapshot(t, p.source)
	firstSet := p.wantChain(0)[0]

	for _, db := range databases {
		db.query("update goods set weight = weight + 1 where id % 7 = 0; insert into goods values (900000 + (select count(*) from goods), 'a live sloth', 4);")
	}
	rearrange(t, p.source, random)
	p.must("run")
	// Nothing but one file changes: the day of most backups.
	write(t, filepath.Join(p.source, "volumes/app/log.txt"), []byte("one line more\n"), 0o644)
	p.must("backup")
	sets := p.wantChain(2)
	p.wantNothingLeft()

	restored := p.fresh().restored()
	wantSame(t, "purser's restore", snapshot(t, p.source), snapshot(t, restored))
	wantSame(t, "duplicity's restore", snapshot(t, p.source), snapshot(t, p.duplicity()))
	wantSame(t, "purser's restore of the first set", firstTree, snapshot(t, p.fresh().restored("--time", firstSet.Time)))
	wantSame(t, "duplicity's restore of the first set", firstTree, snapshot(t, p.duplicity("--time", firstSet.Time)))
	if sets[2].Volumes != 1 {
		t.Errorf("the last set has %d volumes, want 1", sets[2].Volumes)
	}
	for _, db := range databases {
		if got := db.loaded(t, restored); got != db.goods() {
			t.Errorf("%s: the rows that were loaded differ from the server's: %s", db.service, cmp.Diff(db.goods(), got))
		}
		if db.goods() == first[db.service] {
			t.Errorf("%s: its rows did not change, the test shows nothing", db.service)
		}
	}
}

// wantDiscovered checks what purser would do with each service of the stack.
func wantDiscovered(t *testing.T, p *purser, want map[string]string) {
	t.Helper()
	var found struct {
		Services []struct{ ID, Action, Reason string }
	}
	p.read(&found, "discover")
	got := map[string]string{}
	for _, s := range found.Services {
		if s.Reason == "" {
			t.Errorf("%s: no reason is given", s.ID)
		}
		if service, ok := strings.CutPrefix(s.ID, p.w.stack+"/"); ok {
			got[service] = s.Action
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("discovered (-want +got):\n%s", diff)
	}
}

// furnish makes what users mount beside the dumps.
func furnish(t *testing.T, source string, r *rand.Rand) {
	t.Helper()
	app := filepath.Join(source, "volumes/app")
	write(t, filepath.Join(app, "log.txt"), []byte("started\n"), 0o644)
	write(t, filepath.Join(app, "run.sh"), []byte("#!/bin/sh\n"), 0o4755)
	write(t, filepath.Join(app, "empty"), nil, 0o600)
	write(t, filepath.Join(app, "naïve name\twith a tab"), []byte("ü"), 0o640)
	write(t, filepath.Join(app, "picture"), noise(r, 3<<20), 0o444)
	write(t, filepath.Join(app, "going away"), noise(r, 1000), 0o644)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(app, "empty folder"), 0o750),
		os.Symlink("run.sh", filepath.Join(app, "link")),
		os.Symlink("/nowhere/at all", filepath.Join(app, "dangling")),
		os.Lchown(filepath.Join(app, "run.sh"), 999, 33),
		os.Chmod(filepath.Join(app, "run.sh"), 0o4755), // chown drops the bit
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// rearrange changes a little of everything.
func rearrange(t *testing.T, source string, r *rand.Rand) {
	t.Helper()
	app := filepath.Join(source, "volumes/app")
	picture, err := os.ReadFile(filepath.Join(app, "picture"))
	if err != nil {
		t.Fatal(err)
	}
	copy(picture[1<<20:], noise(r, 500))
	write(t, filepath.Join(app, "picture"), picture, 0o444)
	write(t, filepath.Join(app, "new folder/new file"), noise(r, 70000), 0o600)
	for _, err := range []error{
		os.Remove(filepath.Join(app, "going away")),
		os.Remove(filepath.Join(app, "link")),
		os.Symlink("picture", filepath.Join(app, "link")),
		os.Chmod(filepath.Join(app, "empty folder"), 0o711),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// snapshot describes a tree as a restore must bring it back: type, mode, owner,
// time in seconds, target of a link, and content. purser's own folder is left out.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || rel == "." {
			return err
		}
		if rel == ".purser" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d", info.Mode(), owner.Uid, owner.Gid)
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", info.ModTime().Unix(), sha256.Sum256(content))
		case info.IsDir():
			line += fmt.Sprint(" ", info.ModTime().Unix())
		}
		tree[rel] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func wantSame(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs from the source (-source +restored):\n%s", what, diff)
	}
}

// loaded loads the service's dump into an empty server of the same kind and
// returns the rows that it then has.
func (db *database) loaded(t *testing.T, restored string) string {
	t.Helper()
	w := &world{t: t, stack: db.w.stack, socket: db.w.socket, image: db.w.image}
	dump := filepath.Join(restored, "dump", db.w.stack, db.service)
	name := "again-" + random(t)
	disabled := []string{"--label", "backup.disable=true"}
	if db.system == "mysql" {
		again := w.mariadb(name, "mariadb:11", disabled...)
		again.load(filepath.Join(dump, "all-databases.sql"))
		return again.discard()
	}
	again := w.postgres(name, "postgres:17", append(disabled, "-e", "POSTGRES_DB=postgres")...)
	again.load(filepath.Join(dump, "shop.sql"))
	return again.discard()
}

// discard removes a server and returns the rows that it had.
func (db *database) discard() string {
	db.w.t.Helper()
	rows := db.goods()
	db.w.docker("rm", "-fv", db.name)
	return rows
}

// load runs a file of SQL that makes its databases itself.
func (db *database) load(path string) {
	db.w.t.Helper()
	script, err := os.Open(path)
	if err != nil {
		db.w.t.Fatal(err)
	}
	defer script.Close()
	p := db.session(db.system)
	p.cmd.Stdin = script
	if r := p.run(); r.code != 0 {
		db.w.t.Fatalf("load %s into %s: %s", path, db.service, r)
	}
}
