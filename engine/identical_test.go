package engine_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// tool is a writer or a reader of the archive format.
type tool string

const (
	byPurser    tool = "purser"
	byDuplicity tool = "duplicity"
)

// kept says what of a tree a pair of writer and reader keeps, beside content,
// modes, owners, link targets and device numbers.
type kept struct {
	nanoseconds bool // else whole seconds, and 0 before 1970
	links       bool // hard links are links again, else copies
	xattrs      bool
}

// identical reads the pair's row of the table in FORMAT.md: what is promised
// there is what these tests hold.
func identical(t *testing.T, writer, reader tool) kept {
	t.Helper()
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "## What \"identical\" means\n")
	_, row, ok := strings.Cut(section, "| "+string(writer)+" writes, "+string(reader)+" restores | ")
	if !found || !ok {
		t.Fatalf("FORMAT.md doesn't say what is identical when %s writes and %s restores", writer, reader)
	}
	row, _, _ = strings.Cut(row, " |\n")
	cells := strings.Split(row, " | ")
	if len(cells) != 4 || cells[0] != "same" {
		t.Fatalf("row of %s and %s: %q", writer, reader, cells)
	}
	choose := func(cell, yes, no string) bool {
		if cell != yes && cell != no {
			t.Fatalf("FORMAT.md says %q, neither %q nor %q", cell, yes, no)
		}
		return cell == yes
	}
	return kept{
		nanoseconds: choose(cells[1], "to the nanosecond, before 1970 too", "whole seconds, before 1970 as 0"),
		links:       choose(cells[2], "links again", "copies"),
		xattrs:      choose(cells[3], "same", "none"),
	}
}

// of gives the tree that is restored where source was backed up.
func (k kept) of(t *testing.T, source map[string]node) map[string]node {
	t.Helper()
	want := make(map[string]node, len(source))
	for path, n := range source {
		if !k.nanoseconds && n.ModTime != "" {
			ns, err := strconv.ParseInt(n.ModTime, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			const second = 1_000_000_000
			n.ModTime = strconv.FormatInt(max(ns, 0)/second*second, 10)
		}
		if !k.links {
			n.SameAs = ""
		}
		if !k.xattrs {
			n.Xattrs = ""
		}
		want[path] = n
	}
	return want
}
