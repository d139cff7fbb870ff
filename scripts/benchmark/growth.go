package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// growthTable shows that the cost grows with the data, and no faster: the same
// steps on more and more files, and on a larger and larger one.
func growthTable(ctx context.Context, s *settings) error {
	source := filepath.Join(s.dir, "source")
	fmt.Printf("\n%-22s %-10s %9s %9s %9s\n", "growth", "step", "wall s", "CPU s", "peak MiB")
	var base, baseBytes map[string]sample
	for _, files := range []int{200, 2000, 10_000} {
		n := files * s.size
		got, err := growth(ctx, s, fmt.Sprintf("%d files", n), &dataset{dir: source, texts: n}, int64(n)*20_000)
		if err != nil {
			return err
		}
		if base == nil {
			base = got
		}
		for _, step := range []string{full, unchanged, restore} {
			check(fmt.Sprintf("%s, CPU of a file", step), cpu(got[step])/cpu(base[step])*200/float64(files), "that of the fewest", 1.5)
		}
		if files == 10_000 {
			check("list of all files", wall(got[listing]), "a second", 1)
		}
	}
	for _, gigabytes := range []int64{1, 4, 16} {
		length := gigabytes << 30 * int64(s.size) / 100
		got, err := growth(ctx, s, fmt.Sprintf("one file of %d MiB", length>>20), &dataset{dir: source, dump: length}, 3*length)
		if err != nil {
			return err
		}
		if baseBytes == nil {
			baseBytes = got
		}
		for _, step := range []string{full, restore} {
			check(fmt.Sprintf("%s, CPU of a byte", step), cpu(got[step])/cpu(baseBytes[step])/float64(gigabytes), "that of the fewest", 1.5)
		}
	}
	return nil
}

const listing = "list"

func growth(ctx context.Context, s *settings, name string, d *dataset, need int64) (map[string]sample, error) {
	if err := free(s.dir, need); err != nil {
		return nil, err
	}
	if err := d.on(0); err != nil {
		return nil, err
	}
	t := &tools(s.dir, s.purser)[0]
	if err := t.begin(ctx, d.dir); err != nil {
		return nil, err
	}
	defer os.RemoveAll(t.target)
	defer os.RemoveAll(t.home)
	got := map[string]sample{}
	for _, step := range []string{full, unchanged, listing, restore} {
		var took sample
		var err error
		if step == listing {
			took, err = t.run(ctx, d.dir, []string{s.purser, "ls"})
		} else {
			took, err = t.step(ctx, step, d.dir)
		}
		if err != nil {
			return nil, err
		}
		row(os.Stdout, name, step, took)
		got[step] = took
	}
	return got, nil
}

func cpu(s sample) float64 { return s.cpu.Seconds() }
