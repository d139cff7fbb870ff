package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// memoryTable shows what purser needs for one large file, and for many files.
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
		if err := os.RemoveAll(source); err != nil {
			return err
		}
		if err := set.data.make(); err != nil {
			return fmt.Errorf("make the data: %w", err)
		}
		if err := memoryOf(ctx, s, set.name, &set.data); err != nil {
			return err
		}
	}
	return nil
}

func memoryOf(ctx context.Context, s *settings, name string, d *dataset) error {
	t := &tools(s.dir, s.purser)[0]
	if err := t.begin(ctx, d.dir); err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Join(s.dir, "restored"))
	defer os.RemoveAll(t.home)
	for _, step := range []string{full, increment, restore} {
		if step == increment {
			if err := d.change(); err != nil {
				return fmt.Errorf("change the data: %w", err)
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
