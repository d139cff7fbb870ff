package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A database is one whose dump is measured.
type database struct {
	name   string
	image  string
	env    string   // its password
	client []string // reads SQL
	fill   string   // SQL with %d rows of about 100 bytes
	change string   // SQL that changes 1 % of them, here and there
	bare   string   // what its own client dumps with, into /dump
}

const rootWord = "benchmark"

func servers() []database {
	return []database{
		{
			name: "mariadb", image: "mariadb:11", env: "MARIADB_ROOT_PASSWORD=" + rootWord,
			client: []string{"mariadb", "-h", "127.0.0.1", "-u", "root", "-p" + rootWord},
			fill: "create database bench; use bench; create table accounts (aid int primary key, bid int not null, abalance int not null, filler char(84) not null); " +
				"insert into accounts select seq, seq %% 100, 0, rpad(md5(seq), 84, 'x') from seq_1_to_%d;",
			change: "update bench.accounts set abalance = abalance + 1 + floor(rand() * 10000) where rand() < 0.01;",
			bare: "mariadb-dump -h 127.0.0.1 -u root -p" + rootWord + " --single-transaction --quick --routines --events --triggers --hex-blob --skip-dump-date " +
				"--flush-privileges --all-databases --result-file=/dump/all.sql",
		},
		{
			name: "postgres", image: "postgres:17", env: "POSTGRES_PASSWORD=" + rootWord,
			client: []string{"psql", "-h", "127.0.0.1", "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1"},
			// As pgbench fills its table, but with text that doesn't vanish when it is compressed.
			fill: "create table accounts (aid int primary key, bid int not null, abalance int not null, filler char(84)); " +
				"insert into accounts select i, i %% 100, 0, rpad(md5(i::text), 84, 'x') from generate_series(1, %d) i; vacuum analyze;",
			change: "update accounts set abalance = abalance + 1 + floor(random() * 10000) where random() < 0.01;",
			bare:   "PGPASSWORD=" + rootWord + " pg_dumpall -h 127.0.0.1 -U postgres --globals-only -f /dump/globals.sql && PGPASSWORD=" + rootWord + " pg_dump -h 127.0.0.1 -U postgres postgres >/dump/postgres.sql",
		},
	}
}

// dumps is the part of the benchmark that needs an Engine.
type dumps struct {
	*settings
	purser, restic tool
	packed         tool // purser, of what gzip makes of the dumps
	source, bare   string
}

// dumpTables measures what purser's dumps cost beside their bare clients, four
// of them at once, and what an increment of a dump takes.
func dumpTables(ctx context.Context, s *settings) (err error) {
	d := &dumps{settings: s, source: filepath.Join(s.dir, "source"), bare: filepath.Join(s.dir, "bare")}
	for _, t := range tools(s.dir, s.purser) {
		switch t.name {
		case "purser":
			d.purser = t
		case "restic":
			d.restic = t
		}
	}
	d.packed = tools(filepath.Join(s.dir, "packed"), s.purser)[0]
	d.purser.env = append(d.purser.env, "DOCKER_HOST="+os.Getenv("DOCKER_HOST"), "BACKUP_SCOPE=label=purser-bench="+filepath.Base(s.dir), "BACKUP_DUMP_WORKERS=4")
	defer func() { err = errors.Join(err, d.remove(context.WithoutCancel(ctx))) }()
	rows := 100_000 * s.size
	if err := free(s.dir, 2000*int64(rows)); err != nil {
		return err
	}
	fmt.Printf("\neach database: %d rows of about 100 bytes; medians of %d\n", rows, s.runs)
	for _, sv := range servers() {
		if err := d.one(ctx, sv, rows); err != nil {
			return err
		}
	}
	return d.four(ctx, rows)
}

func (d *dumps) docker(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), nil
}

func (d *dumps) remove(ctx context.Context) error {
	ids, err := d.docker(ctx, "", "ps", "-aq", "--filter", "label=purser-bench="+filepath.Base(d.dir))
	if err != nil || ids == "" {
		return err
	}
	_, err = d.docker(ctx, "", append([]string{"rm", "-fv"}, strings.Fields(ids)...)...)
	return err
}

// start starts a database of rows, and returns its container.
func (d *dumps) start(ctx context.Context, sv database, name string, rows int) (string, error) {
	id, err := d.docker(ctx, "", "run", "-d", "--pull", "never", "--label", "purser-bench="+filepath.Base(d.dir),
		"--label", "backup.id=bench/"+name, "-e", sv.env, sv.image)
	if err != nil {
		return "", err
	}
	limit, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		if err = d.sql(ctx, id, sv, "select 1;"); err == nil {
			tick.Stop()
			return id, d.sql(ctx, id, sv, fmt.Sprintf(sv.fill, rows))
		}
		select {
		case <-tick.C:
		case <-limit.Done():
			return "", fmt.Errorf("%s doesn't answer: %w", sv.image, err)
		}
	}
}

func (d *dumps) sql(ctx context.Context, id string, sv database, text string) error {
	_, err := d.docker(ctx, text, append([]string{"exec", "-i", "-e", "PGPASSWORD=" + rootWord, id}, sv.client...)...)
	return err
}

// begin makes new repositories and an empty source.
func (d *dumps) begin(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(d.source), os.MkdirAll(filepath.Join(d.source, "dump"), 0o700)); err != nil {
		return err
	}
	return errors.Join(d.purser.begin(ctx, d.source), d.restic.begin(ctx, d.source), d.packed.begin(ctx, d.source))
}

// one measures a single database: its dump beside the bare client's, and the
// increment after 1 % of its rows have changed.
func (d *dumps) one(ctx context.Context, sv database, rows int) error {
	id, err := d.start(ctx, sv, sv.name, rows)
	if err != nil {
		return err
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	var ours, bare []sample
	for range d.runs {
		s, err := d.bareDump(ctx, sv, id)
		if err != nil {
			return err
		}
		bare = append(bare, s)
		if s, err = d.purser.run(ctx, d.source, []string{d.settings.purser, "dump"}); err != nil {
			return err
		}
		ours = append(ours, s)
	}
	p, b := median(ours), median(bare)
	fmt.Printf("\n%s: a dump\n%-12s %9s %9s %9s\n", sv.image, "", "wall s", "CPU s", "peak MB")
	fmt.Printf("%-12s %9.2f %9s %9s\n%-12s %9.2f %9.2f %9.1f\n", "bare client", b.wall.Seconds(), "-", "-", "purser dump", p.wall.Seconds(), p.cpu.Seconds(), megabytes(p.peak))
	judgeDump("wall", wall(p)/wall(b), 1.10, "of the bare client's")
	judgeDump("peak", float64(p.peak)/(1<<20), 60, "MiB")
	if err := d.increment(ctx, sv, id); err != nil {
		return err
	}
	_, err = d.docker(ctx, "", "rm", "-fv", id)
	return err
}

func judgeDump(what string, got, limit float64, unit string) {
	fmt.Printf("%-7s %-28s %.3f, at most %.2f %s\n", verdict(got <= limit), what, got, limit, unit)
}

// bareDump lets the database's own client dump, in a container as purser's.
func (d *dumps) bareDump(ctx context.Context, sv database, id string) (sample, error) {
	if err := errors.Join(os.RemoveAll(d.bare), os.Mkdir(d.bare, 0o777), os.Chmod(d.bare, 0o777)); err != nil {
		return sample{}, err
	}
	began := time.Now()
	_, err := d.docker(ctx, "", "run", "--rm", "--pull", "never", "--network", "container:"+id, "--label", "purser-bench="+filepath.Base(d.dir), "--label", "backup.disable=true",
		"--entrypoint", "sh", "-v", d.bare+":/dump", sv.image, "-c", sv.bare+" && sync -f /dump")
	return sample{wall: time.Since(began)}, err
}

func (d *dumps) increment(ctx context.Context, sv database, id string) error {
	var full, again, packed [2]sample
	for i, change := range []string{"", sv.change} {
		if change != "" {
			if err := d.sql(ctx, id, sv, change); err != nil {
				return err
			}
		}
		var err error
		if full[i], err = d.purser.run(ctx, d.source, []string{d.settings.purser, "run"}); err != nil {
			return err
		}
		if again[i], err = d.restic.run(ctx, filepath.Join(d.source, "dump"), d.restic.backup); err != nil {
			return err
		}
		if packed[i], err = d.pack(ctx); err != nil {
			return err
		}
	}
	dump, err := size(filepath.Join(d.source, "dump"))
	if err != nil {
		return err
	}
	fmt.Printf("\n%s: 1 %% of the rows changed, dump of %.0f MB\n%-12s %12s %12s\n", sv.image, megabytes(dump), "", "full MB", "increment MB")
	for _, of := range []struct {
		name string
		took [2]sample
	}{{"purser", full}, {"of gzip's", packed}, {"restic", again}} {
		fmt.Printf("%-12s %12.2f %12.2f\n", of.name, megabytes(of.took[0].added), megabytes(of.took[1].added))
	}
	judgeDump("increment to full", added(full[1])/added(full[0]), 0.08, "of purser's full")
	judgeDump("increment to restic's", added(full[1])/added(again[1]), 0.25, "of restic's")
	return nil
}

// pack backs up what gzip makes of the dump: what would be stored if the recipes
// had their clients compress.
func (d *dumps) pack(ctx context.Context) (sample, error) {
	source := filepath.Join(d.dir, "packed", "source")
	if err := os.RemoveAll(source); err != nil {
		return sample{}, err
	}
	dump := filepath.Join(d.source, "dump")
	err := filepath.WalkDir(dump, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dump, path)
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(filepath.Join(source, filepath.Dir(rel)), 0o700), gzipped(path, filepath.Join(source, rel+".gz")))
	})
	if err != nil {
		return sample{}, err
	}
	return d.packed.run(ctx, source, d.packed.backup)
}

func gzipped(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	return errors.Join(err, z.Close(), out.Close())
}

// four measures two servers of each kind, one after the other and all at once.
func (d *dumps) four(ctx context.Context, rows int) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	var names []string
	for i := range 4 {
		sv := servers()[i%2]
		name := sv.name + strconv.Itoa(i)
		if _, err := d.start(ctx, sv, name, rows/2); err != nil {
			return err
		}
		names = append(names, "bench/"+name)
	}
	var apart, together []sample
	for range d.runs {
		var sum sample
		for _, name := range names {
			s, err := d.purser.run(ctx, d.source, []string{d.settings.purser, "dump", name})
			if err != nil {
				return err
			}
			sum.wall += s.wall
		}
		apart = append(apart, sum)
		s, err := d.purser.run(ctx, d.source, []string{d.settings.purser, "dump"})
		if err != nil {
			return err
		}
		together = append(together, s)
	}
	a, t := median(apart), median(together)
	fmt.Printf("\nfour services of half the rows: %.2f s one by one, %.2f s at once, peak %.1f MB\n", a.wall.Seconds(), t.wall.Seconds(), megabytes(t.peak))
	judgeDump("at once", wall(t)/wall(a), 0.75, "of one by one")
	return nil
}
