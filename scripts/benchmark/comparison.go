package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// The steps that are compared.
const (
	full      = "full"
	unchanged = "nothing changed"
	increment = "increment"
	restore   = "restore"
)

var steps = []string{full, unchanged, increment, restore}

// results holds the samples of each step and tool.
type results map[string]map[string][]sample

func (r results) add(step, name string, s sample) {
	if r[step] == nil {
		r[step] = map[string][]sample{}
	}
	r[step][name] = append(r[step][name], s)
}

// comparison runs every tool through every step.
func comparison(ctx context.Context, s *settings) error {
	scale := int64(s.size)
	d := dataset{dump: 6e6 * scale, random: 32e5 * scale, texts: 200 * s.size}
	var names []string
	for _, t := range chosen(s) {
		names = append(names, t.name)
	}
	if err := free(s.dir, int64(s.runs)*(4+2*int64(len(names)))*(d.dump+d.random+int64(d.texts)*4096)); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "comparison")
	defer os.RemoveAll(dir)
	got := results{}
	for i := range s.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, s.runs)
		// Nothing is removed in between: ext4 is slow for minutes to make files where many have just been removed.
		one, data := *s, d
		one.dir = filepath.Join(dir, strconv.Itoa(i))
		data.dir = filepath.Join(one.dir, "source")
		if err := round(ctx, &data, chosen(&one), got); err != nil {
			return err
		}
	}
	fmt.Printf("\ndata: a dump of %d MB, %d MB that don't compress, %d small files; medians of %d\n",
		d.dump/1e6, d.random/1e6, d.texts, s.runs)
	for _, step := range steps {
		got.print(os.Stdout, step, names)
	}
	got.judge(os.Stdout, names)
	return nil
}

// round takes all tools through the steps once, on the same tree.
func round(ctx context.Context, d *dataset, all []tool, got results) error {
	if err := d.make(); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	for _, step := range steps {
		if step == increment {
			if err := d.change(1); err != nil {
				return fmt.Errorf("change the data: %w", err)
			}
		}
		for i := range all {
			t := &all[i]
			if step == full {
				if err := t.begin(ctx, d.dir); err != nil {
					return err
				}
			}
			if err := warm(d.dir); err != nil {
				return err
			}
			took, err := t.step(ctx, step, d.dir)
			if err != nil {
				return err
			}
			got.add(step, t.name, took)
			fmt.Fprintf(os.Stderr, "  %-16s %-10s %7.2f s\n", step, t.name, took.wall.Seconds())
		}
	}
	return nil
}

func (t *tool) step(ctx context.Context, step, source string) (sample, error) {
	if step == restore {
		return t.back(ctx, source)
	}
	return t.run(ctx, source, t.backup)
}
