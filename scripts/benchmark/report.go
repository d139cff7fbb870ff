package main

import (
	"fmt"
	"io"
	"slices"
)

// print writes the table of one step.
func (r results) print(w io.Writer, step string, names []string) {
	fmt.Fprintf(w, "\n%-16s %9s %9s %9s %13s %13s %9s\n", step, "wall s", "CPU s", "peak MB", "repository MB", "added MB", "to best")
	best := r.bestPeer(step, names, wall)
	for _, name := range names {
		m := median(r[step][name])
		fmt.Fprintf(w, "%-16s %9.2f %9.2f %9.1f %13.1f %13.2f %9s\n", name, m.wall.Seconds(), m.cpu.Seconds(),
			megabytes(m.peak), megabytes(m.repo), megabytes(m.added), ratio(wall(m), best))
	}
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

func ratio(value, of float64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", value/of)
}

func wall(s sample) float64  { return s.wall.Seconds() }
func repo(s sample) float64  { return float64(s.repo) }
func added(s sample) float64 { return float64(s.added) }
func peak(s sample) float64  { return float64(s.peak) }

// bestPeer is the smallest figure of all but purser; 0 without peers.
func (r results) bestPeer(step string, names []string, figure func(sample) float64) float64 {
	var best float64
	for _, name := range names {
		if v := figure(median(r[step][name])); name != "purser" && (best == 0 || v < best) {
			best = v
		}
	}
	return best
}

// A target is a figure that purser is to reach: at most limit times what it is
// compared with.
type target struct {
	step   string
	what   string
	figure func(sample) float64
	peer   string // empty for the best one
	limit  float64
}

const memoryLimit = 120 << 20

func targets() []target {
	return []target{
		{full, "wall", wall, "", 0.70}, {full, "wall", wall, "duplicity", 0.17}, {full, "repository", repo, "", 1.06},
		{unchanged, "wall", wall, "", 0.40}, {unchanged, "wall", wall, "duplicity", 0.10},
		{increment, "wall", wall, "", 0.60}, {increment, "wall", wall, "duplicity", 0.45},
		{increment, "new bytes", added, "duplicity", 1}, {increment, "new bytes", added, "restic", 0.10},
		{restore, "wall", wall, "", 0.75}, {restore, "wall", wall, "duplicity", 0.28},
	}
}

// judge marks each target met or missed.
func (r results) judge(w io.Writer, names []string) {
	fmt.Fprintln(w, "\ntargets of purser")
	for _, t := range targets() {
		of, against := 0.0, t.peer
		if t.peer == "" {
			of, against = r.bestPeer(t.step, names, t.figure), "the best peer"
		} else if slices.Contains(names, t.peer) {
			of = t.figure(median(r[t.step][t.peer]))
		}
		if of == 0 {
			continue
		}
		got := t.figure(median(r[t.step]["purser"])) / of
		fmt.Fprintf(w, "%-7s %-16s %-10s %.2f of %s's, at most %.2f\n", verdict(got <= t.limit), t.step, t.what, got, against, t.limit)
	}
	added := median(r[unchanged]["purser"]).added
	fmt.Fprintf(w, "%-7s %-16s %-10s %d bytes\n", verdict(added == 0), unchanged, "new bytes", added)
	for _, step := range steps {
		p := peak(median(r[step]["purser"]))
		fmt.Fprintf(w, "%-7s %-16s %-10s %.0f MiB, at most %d\n", verdict(p <= memoryLimit), step, "peak", p/(1<<20), memoryLimit>>20)
	}
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

// row writes a line of the table of memory.
func row(w io.Writer, data, step string, s sample) {
	fmt.Fprintf(w, "%-22s %-10s %9.2f %9.2f %9.1f  %s\n", data, step, s.wall.Seconds(), s.cpu.Seconds(),
		float64(s.peak)/(1<<20), verdict(s.peak <= memoryLimit))
}
