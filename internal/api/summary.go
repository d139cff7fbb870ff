package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lines is the run's report for a person: how it ended, what is wrong, and then
// what became of each service and of the target. Each is one line without
// control characters. What is wrong comes early, since long messages are cut.
func (r *Run) Lines() []string {
	lines := []string{r.headline()}
	for _, e := range r.Errors {
		lines = append(lines, "error: "+e)
	}
	for _, h := range r.Hints {
		lines = append(lines, "hint: "+h)
	}
	for _, p := range r.Problems {
		lines = append(lines, "note: "+p)
	}
	for _, s := range r.Services {
		lines = append(lines, s.line())
	}
	lines = append(lines, passedOver("skipped by label", r.Skipped)...)
	lines = append(lines, passedOver("not covered", r.Missed)...)
	for _, p := range r.Profiles {
		if p.Backup != nil {
			lines = append(lines, p.Profile+": "+p.Backup.line(p.Target))
		}
	}
	if r.Backup != nil && len(r.Profiles) == 0 {
		lines = append(lines, r.Backup.line(r.Target))
	}
	if p := r.Prune; p != nil && p.Sets > 0 {
		lines = append(lines, fmt.Sprintf("pruned: %s, %s", Count(p.Sets, "set"), Size(p.Bytes)))
	}
	if k := r.Kept; k != nil {
		lines = append(lines, fmt.Sprintf("kept: %s, %s, %s", Count(k.Chains, "chain"), Count(k.Sets, "set"), Size(k.Bytes)))
	}
	for i := range r.Targets {
		lines = append(lines, r.Targets[i].line())
	}
	for i, l := range lines {
		lines[i] = Printable(l)
	}
	return lines
}

// Uploaded is what the run has sent, for all profiles.
func (r *Run) Uploaded() int64 {
	if len(r.Profiles) == 0 && r.Backup != nil {
		return r.Backup.UploadedBytes
	}
	var sum int64
	for _, p := range r.Profiles {
		if p.Backup != nil {
			sum += p.Backup.UploadedBytes
		}
	}
	return sum
}

func (r *Run) headline() string {
	return fmt.Sprintf("run %s, started by %s at %s, took %s", r.Result, r.Trigger,
		r.Started.Format(time.RFC3339), Duration(r.Ended.Sub(r.Started)))
}

func (s *ServiceDump) line() string {
	if s.Outcome != Dumped {
		return fmt.Sprintf("%s: dump %s", s.ID, s.Outcome)
	}
	size := Size(s.Bytes)
	if s.Previous > 0 {
		size += ", last time " + Size(s.Previous)
	}
	return fmt.Sprintf("%s: dumped as %s, %s, took %s", s.ID, s.Recipe, size, Duration(s.Ended.Sub(s.Started)))
}

func passedOver(what string, list []PassedOver) []string {
	if len(list) == 0 {
		return nil
	}
	const shown = 20
	var names []string
	for _, p := range list[:min(len(list), shown)] {
		names = append(names, p.ID)
	}
	line := fmt.Sprintf("%s: %s", what, strings.Join(names, ", "))
	if more := len(list) - shown; more > 0 {
		line += fmt.Sprintf(" and %d more", more)
	}
	return []string{line}
}

func (b *Backup) line(target string) string {
	if b.Kind == "unchanged" {
		return fmt.Sprintf("backup to %s: nothing has changed, %s", target, Count(b.Files, "file"))
	}
	return fmt.Sprintf("backup to %s: %s, %d new, %d changed, %d deleted, %s uploaded", target, b.Kind,
		b.New, b.Changed, b.Deleted, Size(b.UploadedBytes))
}

func (t *Target) line() string {
	what := "target "
	if t.Live {
		what = "nearby, in "
	}
	line := fmt.Sprintf("%s%s: %s stored", what, t.URL, Size(t.UploadedBytes))
	if t.CopiedSets > 0 {
		line += fmt.Sprintf(", %s copied there", Count(t.CopiedSets, "set"))
	}
	if t.PrunedSets > 0 {
		line += fmt.Sprintf(", %s pruned", Count(t.PrunedSets, "set"))
	}
	if t.Error != "" {
		return line + ", NOT equal to the others"
	}
	return line + fmt.Sprintf(", %s kept in %s", Size(t.Kept.Bytes), Count(t.Kept.Sets, "set"))
}

// Size renders bytes with three significant digits in binary units.
func Size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, unit := float64(n), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		// 999.5 would be rounded to 1000 and no longer have three digits.
		if v /= 1024; v < 999.5 {
			break
		}
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + unit
}

// Duration renders a duration with the precision that a person wants:
// milliseconds below ten seconds, else seconds.
func Duration(d time.Duration) string {
	if d.Abs() < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Count renders a number with its noun: "1 file", "2 files".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
