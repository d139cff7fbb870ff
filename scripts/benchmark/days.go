package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const (
	month    = 30 // days of the table of days
	chainLen = 60 // increments of the table of the chain
)

// daysTable runs purser and restic once a day for thirty days, and compares
// what they have uploaded. purser makes full backups as it sees fit.
func daysTable(ctx context.Context, s *settings) error {
	d := &dataset{dir: filepath.Join(s.dir, "source"), dump: 6e6 * int64(s.size), random: 32e5 * int64(s.size), texts: 200 * s.size}
	all := slices.DeleteFunc(chosen(s), func(t tool) bool { return t.name != "purser" && t.name != "restic" })
	all[0].env = append(all[0].env, "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=auto")
	if err := free(s.dir, 12*(d.dump+d.random)); err != nil {
		return err
	}
	uploaded := make([]int64, len(all))
	for day := range month {
		if err := d.on(day); err != nil {
			return err
		}
		for i := range all {
			took, err := all[i].daily(ctx, d, day)
			if err != nil {
				return err
			}
			uploaded[i] += took.added
			fmt.Fprintf(os.Stderr, "  day %-2d  %-10s %7.2f s, %8.2f MB\n", day, all[i].name, took.wall.Seconds(), megabytes(took.added))
		}
	}
	last, err := all[0].timedBack(ctx, s, d)
	if err != nil {
		return err
	}
	if _, err := all[0].daily(ctx, d, 0); err != nil {
		return err
	}
	one, err := all[0].timedBack(ctx, s, d)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d days        uploaded MB\n", month)
	for i := range all {
		fmt.Printf("%-16s %9.1f\n", all[i].name, megabytes(uploaded[i]))
		if all[i].name == "restic" {
			check("uploaded in a month", float64(uploaded[0])/float64(uploaded[i]), "restic's", 0.30)
		}
	}
	check("restore of the last day", wall(last)/wall(one), "that of a full", 1.5)
	return all[0].discard(all[1:]...)
}

// chainTable restores the end of a long chain, and the same data from a full set.
func chainTable(ctx context.Context, s *settings) error {
	d := &dataset{dir: filepath.Join(s.dir, "source"), dump: 15e5 * int64(s.size), random: 8e5 * int64(s.size), texts: 50 * s.size}
	t := &tools(s.dir, s.purser)[0]
	t.env = append(t.env, "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=10Y")
	if err := free(s.dir, 8*(d.dump+d.random)); err != nil {
		return err
	}
	for day := range chainLen + 1 {
		if err := d.on(day); err != nil {
			return err
		}
		if _, err := t.daily(ctx, d, day); err != nil {
			return err
		}
	}
	chain, err := t.timedBack(ctx, s, d)
	if err != nil {
		return err
	}
	if _, err := t.daily(ctx, d, 0); err != nil {
		return err
	}
	one, err := t.timedBack(ctx, s, d)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-22s %-10s %9s %9s %9s\n", "chain", "step", "wall s", "CPU s", "peak MiB")
	row(os.Stdout, fmt.Sprintf("full and %d increments", chainLen), restore, chain)
	row(os.Stdout, "full of the same", restore, one)
	check("restore of the chain", wall(chain)/wall(one), "that of the full", 2)
	return t.discard()
}

// on makes the data as it is on a day.
func (d *dataset) on(day int) error {
	if day > 0 {
		if err := d.change(day); err != nil {
			return fmt.Errorf("change the data: %w", err)
		}
		return nil
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if err := d.make(); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	return nil
}

// daily is the backup of a day, in a new repository on the first.
func (t *tool) daily(ctx context.Context, d *dataset, day int) (sample, error) {
	if day == 0 {
		if err := t.begin(ctx, d.dir); err != nil {
			return sample{}, err
		}
	}
	return t.run(ctx, d.dir, t.backup)
}

// timedBack is the median of restores of the newest set.
func (t *tool) timedBack(ctx context.Context, s *settings, d *dataset) (sample, error) {
	var all []sample
	for range s.runs {
		took, err := t.back(ctx, d.dir)
		if err != nil {
			return took, err
		}
		all = append(all, took)
		if err := os.RemoveAll(t.target); err != nil {
			return took, err
		}
	}
	return median(all), nil
}

// discard removes what tools have made.
func (t *tool) discard(others ...tool) error {
	for _, o := range others {
		if err := os.RemoveAll(o.home); err != nil {
			return err
		}
	}
	return os.RemoveAll(t.home)
}

// check prints a target, met or missed.
func check(what string, got float64, of string, limit float64) {
	fmt.Printf("%-7s %-27s %.2f of %s, at most %.2f\n", verdict(got <= limit), what, got, of, limit)
}
