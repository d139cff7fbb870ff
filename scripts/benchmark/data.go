package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// A dataset is what is backed up: one dump of a database, files that don't
// compress, and small texts. It is the same each time.
type dataset struct {
	dir    string
	dump   int64 // bytes
	random int64
	texts  int // number of files
}

const (
	randomFiles = 8
	perDir      = 100
	// places is how many parts of the dump change, 1 % of it together.
	places = 200
	// touched is how many texts change.
	touched = 50
)

// was is the modification time of everything at first, later of what changes.
var was, later = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// make writes everything as it is at first.
func (d *dataset) make() error {
	if err := d.writeDump(false); err != nil {
		return err
	}
	for i := range int64(randomFiles) {
		if d.random == 0 {
			break
		}
		err := d.write(fmt.Sprintf("media/%d.bin", i), was, func(w io.Writer) error {
			_, err := io.CopyN(w, rand.NewChaCha8([32]byte{1, byte(i)}), d.random/randomFiles)
			return err
		})
		if err != nil {
			return err
		}
	}
	for i := range d.texts {
		if err := d.writeText(i, false); err != nil {
			return err
		}
	}
	return nil
}

// change is what a day does to it.
func (d *dataset) change() error {
	if err := d.writeDump(true); err != nil {
		return err
	}
	for i := range min(touched, d.texts) {
		if err := d.writeText(i*(d.texts/min(touched, d.texts)), true); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataset) write(name string, at time.Time, fill func(io.Writer) error) error {
	path := filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 256<<10)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(path, at, at)
}

// writeDump writes rows until the dump is long enough. Changed, rows in many
// places differ, some in their length, and 1 % is appended.
func (d *dataset) writeDump(changed bool) error {
	at, length := was, d.dump
	if changed {
		at, length = later, d.dump+d.dump/100
	}
	return d.write("dump/shop.sql", at, func(w io.Writer) error {
		var row []byte
		part := d.dump / places
		var n int64 // as the first dump is long up to here
		for id := int64(1); n < length; id++ {
			row = appendRow(row[:0], id, false)
			n += int64(len(row))
			if changed && n < d.dump && n%part < part/100 {
				row = appendRow(row[:0], id, true)
			}
			if _, err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// appendRow appends one row of an orders table as a line of SQL.
func appendRow(b []byte, id int64, changed bool) []byte {
	version := uint64(0)
	if changed {
		version = 1
	}
	r := rand.New(rand.NewPCG(uint64(id), version))
	b = fmt.Appendf(b, "INSERT INTO `orders` VALUES (%d,'%s %s','%s%d@example.com',%d.%02d,'2025-%02d-%02d %02d:%02d:%02d','%s','",
		id, word(r), word(r), word(r), r.IntN(1000), r.IntN(900), r.IntN(100), 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60),
		[]string{"new", "paid", "sent", "returned"}[r.IntN(4)])
	for range 6 + r.IntN(14) {
		b = append(append(b, word(r)...), ' ')
	}
	return fmt.Appendf(b, "','%016x');\n", r.Uint64())
}

// word is one of some thousands, short ones more often.
func word(r *rand.Rand) string {
	const syllables = "barolitomekasunevidoparigulahinofe"
	var b [12]byte
	n := 0
	for range 1 + r.IntN(3) {
		at := 2 * r.IntN(len(syllables)/2)
		n += copy(b[n:], syllables[at:at+2])
	}
	return string(b[:n])
}

// writeText writes a small file.
func (d *dataset) writeText(i int, changed bool) error {
	at := was
	if changed {
		at = later
	}
	return d.write(fmt.Sprintf("texts/%04d/%06d.txt", i/perDir, i), at, func(w io.Writer) error {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		for range 100 + r.IntN(1200) {
			if _, err := fmt.Fprint(w, word(r), " "); err != nil {
				return err
			}
		}
		if changed {
			_, err := fmt.Fprintln(w, "and one more line")
			return err
		}
		return nil
	})
}
