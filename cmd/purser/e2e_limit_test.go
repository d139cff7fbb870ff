package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Each of eleven runs in a row is cut by its time limit after one dump that
// takes longer, and what there was to do is done all the same.
func TestRunsCutByTheirTimeLimit(t *testing.T) {
	t.Parallel()
	const services = 11
	w := newWorld(t)
	config := t.TempDir()
	write(t, filepath.Join(config, "index/own.yml"), []byte("own: {regex: ^own$, template: own.yml}\n"), 0o644)
	write(t, filepath.Join(config, "templates/own.yml"), []byte("commands: [\"sh -c 'sleep 2; echo dump >{{ target_dir }}/it'\"]\n"), 0o644)
	for i := range services {
		w.container(fmt.Sprintf("s%02d", i), "busybox", "-t", "--label", "backup.type=own")
	}
	p := w.purser("named volume").with("BACKUP_TIME_LIMIT=1s", "BACKUP_DUMP_WORKERS=1", "BACKUP_DUPLICITY_VOLSIZE=1")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	write(t, filepath.Join(p.source, "volumes/big"), noise(rand.New(rand.NewPCG(7, 8)), 24<<20), 0o600)

	cut := 0
	for done := false; !done; {
		switch r := p.run("run", "--output", "json"); r.code {
		case 0:
			done = true
		case 3:
			var record struct{ Services []struct{ Outcome string } }
			decode(t, r.stdout, &record)
			if len(record.Services) > 1 {
				t.Errorf("a run whose time was up has made %d dumps", len(record.Services))
			}
			if cut++; cut > 60 {
				t.Fatalf("no end after %d runs: %s", cut, r)
			}
		default:
			t.Fatalf("run %d: %s", cut, r)
		}
	}
	if cut < 10 {
		t.Errorf("only %d runs were cut", cut)
	}
	t.Logf("%d runs were cut", cut)
	if n := count(t, filepath.Join(p.source, "dump", w.stack, "*", "it")); n != services {
		t.Errorf("%d of %d services were dumped", n, services)
	}
	want := snapshot(t, p.source)
	wantSame(t, "the restore", want, snapshot(t, p.fresh().restored()))
	wantSame(t, "duplicity's restore", want, snapshot(t, p.duplicity()))
	if entries, err := os.ReadDir(filepath.Join(p.source, ".purser")); err == nil && len(entries) > 1 {
		t.Errorf("left behind: %v", entries)
	}
	p.wantNothingLeft()
}
