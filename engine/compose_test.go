package engine_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// deltaOf is a delta that takes runs, {from, length} each, of old and then some
// new bytes; and what it makes of old.
func deltaOf(old []byte, added string, runs ...[2]int) (delta string, file []byte) {
	b := []byte{0x72, 0x73, 0x02, 0x36}
	for _, r := range runs {
		b = append(b, 0x45+4*2+2) // a copy with two numbers of four bytes
		b = binary.BigEndian.AppendUint32(b, uint32(r[0]))
		b = binary.BigEndian.AppendUint32(b, uint32(r[1]))
		file = append(file, old[r[0]:r[0]+r[1]]...)
	}
	b = append(append(b, byte(len(added))), added...)
	return string(append(b, 0)), append(file, added...)
}

// singles are n runs of one byte, in turn from two places: a plan can't join them.
func singles(n int) [][2]int {
	runs := make([][2]int, n)
	for i := range runs {
		runs[i] = [2]int{i % 2 * 5, 1}
	}
	return runs
}

// A file with differences is restored whether they go through the old content
// in order or not, and also where there are too many of them for a plan.
func TestDifferencesInAnyOrder(t *testing.T) {
	const many = 1<<20 + 10
	for name, steps := range map[string][][][2]int{
		"in order":          {{{0, 100}, {150, 300}}, {{0, 50}, {60, 300}}},
		"backward":          {{{500, 100}, {0, 300}}, {{200, 100}, {0, 250}}},
		"twice":             {{{0, 100}, {50, 100}}, {{0, 100}, {0, 100}}},
		"many in the last":  {{{0, 500}}, singles(many)},
		"many in the first": {singles(many), {{many - 100, 100}, {0, 1000}}},
		"many of both":      {{{0, 900}}, singles(many / 2), {{0, many / 2}, {0, many / 2}, {0, 10}}, {{1, 500}}},
		"nothing of it":     {nil, {{0, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			old := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz!"), 30)
			s := siteIn(t, t.TempDir(), "", t.TempDir())
			handmade{time: at(0), volumes: [][]byte{slices.Concat(rootEntry(), entry("snapshot/f", tar.TypeReg, "", string(old)))}}.put(s)
			for i, runs := range steps {
				delta, file := deltaOf(old, "end of this", runs...)
				handmade{start: at(i), time: at(i + 1), volumes: [][]byte{entry("diff/f", tar.TypeReg, "", delta)}}.put(s)
				old = file
			}
			got, err := os.ReadFile(filepath.Join(s.restore(time.Time{}), "f"))
			if err != nil || !bytes.Equal(got, old) {
				t.Errorf("%d bytes are restored, not the %d; %v", len(got), len(old), err)
			}
		})
	}
}

// A difference that reaches beyond its old file is damage.
func TestDifferenceBeyondOldFile(t *testing.T) {
	for name, runs := range map[string][][2]int{"in order": {{0, 20}}, "backward": {{10, 11}, {0, 5}}} {
		s := siteIn(t, t.TempDir(), "", t.TempDir())
		handmade{time: at(0), volumes: [][]byte{slices.Concat(rootEntry(), entry("snapshot/f", tar.TypeReg, "", "only 17 bytes ..."))}}.put(s)
		delta, _ := deltaOf(make([]byte, 100), "x", runs...)
		handmade{start: at(0), time: at(1), volumes: [][]byte{entry("diff/f", tar.TypeReg, "", delta)}}.put(s)
		_, err := s.open().Restore(t.Context(), filepath.Join(t.TempDir(), "restored"), engine.RestoreOptions{})
		var damaged *engine.CorruptError
		if !errors.As(err, &damaged) {
			t.Errorf("%s: %v, not damage", name, err)
		}
	}
}
