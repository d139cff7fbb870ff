package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// memoryTable shows what purser needs for one large file, and for many files,
// and that it needs as much with the workers of 1, 2 or 8 processors.
func memoryTable(ctx context.Context, s *settings) error {
	source := filepath.Join(s.dir, "source")
	sets := []struct {
		name string
		data dataset
		need int64
	}{
		{fmt.Sprintf("one file of %d MB", 40*s.size), dataset{dir: source, dump: 4e7 * int64(s.size)}, 16e7 * int64(s.size)},
		{fmt.Sprintf("%d small files", 2000*s.size), dataset{dir: source, texts: 2000 * s.size}, 6e7 * int64(s.size)},
	}
	fmt.Printf("\n%-22s %-10s %9s %9s %9s\n", "memory", "step", "wall s", "CPU s", "peak MiB")
	for _, set := range sets {
		if err := free(s.dir, set.need); err != nil {
			return err
		}
		if err := set.data.on(0); err != nil {
			return err
		}
		if err := memoryOf(ctx, &tools(s.dir, s.purser)[0], set.name, &set.data); err != nil {
			return err
		}
	}
	return workersTable(ctx, s)
}

func workersTable(ctx context.Context, s *settings) error {
	d := &dataset{dir: filepath.Join(s.dir, "source"), dump: 6e6 * int64(s.size), random: 32e5 * int64(s.size)}
	if err := d.on(0); err != nil {
		return err
	}
	for _, n := range []string{"1", "2", "8"} {
		t := tools(s.dir, s.purser)[0]
		t.env = append(t.env, "GOMAXPROCS="+n)
		if err := memoryOf(ctx, &t, "GOMAXPROCS="+n, d); err != nil {
			return err
		}
	}
	return nil
}

func memoryOf(ctx context.Context, t *tool, name string, d *dataset) error {
	if err := t.begin(ctx, d.dir); err != nil {
		return err
	}
	defer os.RemoveAll(t.target)
	defer os.RemoveAll(t.home)
	for _, step := range []string{full, increment, restore} {
		if step == increment {
			if err := d.on(1); err != nil {
				return err
			}
		}
		took, err := t.step(ctx, step, d.dir)
		if err != nil {
			return err
		}
		row(os.Stdout, name, step, took)
	}
	return nil
}
