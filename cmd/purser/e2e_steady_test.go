package main_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// accounts makes a ledger: 100 accounts of 1000 each, and transfers between
// them. What lies between the two in a dump takes time. Each statement works
// on both kinds of server.
func (db *database) accounts(filler int) {
	db.w.t.Helper()
	other := "create database zz; create table zz.transfers (source int, dest int);"
	fill := fmt.Sprintf("create table filler as select concat(seq, repeat('-', 900)) as text from seq_1_to_%d;", filler)
	if db.system == "postgres" {
		other = "create schema zz; create table zz.transfers (source int, dest int);"
		fill = fmt.Sprintf("create table filler as select i || repeat('-', 900) as text from generate_series(1, %d) i;", filler)
	}
	db.query("create table accounts (id int primary key, balance int not null);" + other + fill)
	var rows []string
	for i := range 100 {
		rows = append(rows, fmt.Sprintf("(%d, 1000)", i))
	}
	db.query("insert into accounts values " + strings.Join(rows, ",") + ";")
}

// transfer lets money go to and fro until stop is called, which returns when
// the last transfer is over.
func (db *database) transfer() (stop func()) {
	db.w.t.Helper()
	p := db.session("shop")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		db.w.t.Fatal(err)
	}
	p.start()
	over, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				done <- in.Close()
				return
			default:
			}
			from, to := i*37%100, i*53%100
			_, err := io.WriteString(in, fmt.Sprintf("begin; update accounts set balance = balance - 1 where id = %d; insert into zz.transfers values (%d, %d); "+
				"update accounts set balance = balance + 1 where id = %d; commit;\n", from, from, to, to))
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return func() {
		close(over)
		err := <-done
		if r := p.wait(); err != nil || r.code != 0 {
			db.w.t.Errorf("transfers: %v, %s", err, r)
		}
	}
}

func (db *database) transfers() int {
	db.w.t.Helper()
	n, err := strconv.Atoi(db.query("select count(*) from zz.transfers;"))
	if err != nil {
		db.w.t.Fatal(err)
	}
	return n
}

// A database that is written to all the time is dumped as it was at one
// moment: no transfer is in it by half, and the writers go on.
func TestDumpIsOneMoment(t *testing.T) {
	t.Parallel()
	for kind, image := range map[string]string{"mariadb": "mariadb:11", "postgres": "postgres:17"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start := w.postgres
			if kind == "mariadb" {
				start = w.mariadb
			}
			db := start("db", image)
			db.accounts(15000)
			p := w.purser("named volume")
			stop := db.transfer()
			w.eventually("money goes to and fro", func() bool { return db.transfers() > 50 })
			before := db.transfers()
			p.must("run")
			after := db.transfers()
			stop()
			again := start("again", image)
			p.must("load", "--to", again.id(), db.id())
			if got := again.query("select sum(balance) from accounts;"); got != "100000" {
				t.Errorf("the dump has the sum %s", got)
			}
			wrong := again.query("select a.id, a.balance from accounts a where a.balance <> 1000" +
				" - (select count(*) from zz.transfers where source = a.id) + (select count(*) from zz.transfers where dest = a.id);")
			if wrong != "" {
				t.Errorf("accounts that don't fit the transfers: %s", wrong)
			}
			n := again.transfers()
			if n < before || n > after || after-before < 50 {
				t.Errorf("the dump has %d transfers; there were %d before it and %d after it", n, before, after)
			}
			t.Logf("%d transfers before the dump, %d in it, %d after it", before, n, after)
		})
	}
}

// A large database goes through a backup and comes back.
func TestLargeDatabase(t *testing.T) {
	t.Parallel()
	rows, longest := 20_000, 2*patience // about 20 MB; 1 GB takes minutes
	if os.Getenv("PURSER_SOAK") != "" {
		rows, longest = 1_050_000, time.Hour
	}
	for kind, c := range map[string]struct{ image, fill, look string }{
		"mariadb": {"mariadb:11", "create table big as select seq as id, repeat(md5(seq), 30) as text from seq_1_to_%d;",
			"select count(*), sum(crc32(text)) from big;"},
		"postgres": {"postgres:17", "create table big as select i as id, repeat(md5(i::text), 30) as text from generate_series(1, %d) i;",
			"select count(*), sum(hashtext(text)::bigint) from big;"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start := w.postgres
			if kind == "mariadb" {
				start = w.mariadb
			}
			db := start("db", c.image)
			db.queryFor(longest, fmt.Sprintf(c.fill, rows))
			want := db.queryFor(longest, c.look)
			p := w.purser("host process")
			if r := p.command("run").start().waitFor(longest); r.code != 0 {
				t.Fatal(r)
			}
			w.docker("rm", "-fv", db.name)
			p.loseDumps()
			db = start("db", c.image)
			if r := p.fresh().command("load", db.id()).start().waitFor(longest); r.code != 0 {
				t.Fatal(r)
			}
			if got := db.queryFor(longest, c.look); got != want {
				t.Errorf("the server has %q after the load, it had %q", got, want)
			}
			p.wantNothingLeft()
		})
	}
}
