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

// modified is the time of what a day changes. On day 0 everything is made.
func modified(day int) time.Time { return time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC) }

// make writes everything as it is at first.
func (d *dataset) make() error {
	if err := d.writeDump(0); err != nil {
		return err
	}
	for i := range int64(randomFiles) {
		if d.random == 0 {
			break
		}
		err := d.write(fmt.Sprintf("media/%d.bin", i), modified(0), func(w io.Writer) error {
			_, err := io.CopyN(w, rand.NewChaCha8([32]byte{1, byte(i)}), d.random/randomFiles)
			return err
		})
		if err != nil {
			return err
		}
	}
	for i := range d.texts {
		if err := d.writeText(i, 0); err != nil {
			return err
		}
	}
	return nil
}

// change is what a day does to it; the first day is 1, and 99 the last.
func (d *dataset) change(day int) error {
	if err := d.writeDump(day); err != nil {
		return err
	}
	for i := range min(touched, d.texts) {
		if err := d.writeText((i*(d.texts/min(touched, d.texts))+day-1)%d.texts, day); err != nil {
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

// writeDump writes rows until the dump is long enough. Each day, other rows
// differ in many places, some in their length, and 1 % is appended.
func (d *dataset) writeDump(day int) error {
	length := d.dump + int64(day)*(d.dump/100)
	return d.write("dump/shop.sql", modified(day), func(w io.Writer) error {
		var row []byte
		part := d.dump / places
		var n int64 // as the first dump is long up to here
		for id := int64(1); n < length; id++ {
			row = appendRow(row[:0], id, 0)
			n += int64(len(row))
			if n < d.dump && n%part < int64(day)*(part/100) {
				row = appendRow(row[:0], id, 1)
			}
			if _, err := w.Write(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// appendRow appends one row of an orders table as a line of SQL.
func appendRow(b []byte, id int64, version uint64) []byte {
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
func (d *dataset) writeText(i, day int) error {
	return d.write(fmt.Sprintf("texts/%04d/%06d.txt", i/perDir, i), modified(day), func(w io.Writer) error {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		for range 100 + r.IntN(1200) {
			if _, err := fmt.Fprint(w, word(r), " "); err != nil {
				return err
			}
		}
		if day > 0 {
			_, err := fmt.Fprintln(w, "and one more line on day", day)
			return err
		}
		return nil
	})
}
