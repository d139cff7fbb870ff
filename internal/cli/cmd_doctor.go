package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/daemon"
)

func doctorCommand() *command {
	return &command{
		name:    "doctor",
		summary: "prove the target: list, write, read, overwrite, delete, and measure",
		example: "purser doctor --url file:///mnt/nas/purser",
		help: `Stores an object of its own on the target, of up to 16 MiB, reads it, overwrites it and
deletes it, and says what works and how fast. Backups are not touched. Run it before the
first night, and after a change of the target or its credentials.

Rights to read and to delete may be missing: backups can be made without. Then only other
credentials restore, and only other ones or the target's own rules prune.

Of several targets it says what one lacks that others hold; the next run copies it there.

With --output json: {url, checks: [{name, ok, refused, bytes, objects, seconds, error}]};
where there are several targets, each check names its target.
` + exitHelp(),
		run: runDoctor,
	}
}

// check is one check in the JSON output.
type check struct {
	Target  string  `json:"target,omitempty"` // where there are several
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Refused bool    `json:"refused"` // and spare
	Bytes   int64   `json:"bytes"`
	Objects int     `json:"objects"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

func runDoctor(ctx context.Context, inv *invocation) error {
	o, err := inv.options(quiet)
	if err != nil {
		return err
	}
	targets, err := daemon.OpenTargets(ctx, o)
	if err != nil {
		return err
	}
	checks := []check{}
	t := &table{right: map[int]bool{2: true, 3: true}}
	var failures []error
	held := map[string][]storage.Info{} // by the targets that are well
	for _, target := range targets {
		name := ""
		if len(targets) > 1 {
			name = printable(target.URL)
		}
		t.add("CHECK", "RESULT", "SIZE", "TOOK", name)
		if target.Store == nil {
			failures = append(failures, target.Err)
			checks = append(checks, check{Target: name, Name: "open", Error: oneLine(target.Err.Error())})
			t.add("open", "failed", "", "", "")
			continue
		}
		err := target.Store.Validate(ctx, func(c storage.Check) {
			one := check{Target: name, Name: c.Name, OK: c.Err == nil, Refused: c.Refused, Bytes: c.Bytes, Objects: c.Objects, Seconds: c.Took.Seconds()}
			if c.Err != nil {
				one.Error = oneLine(c.Err.Error())
			}
			checks = append(checks, one)
			addCheck(t, c)
		})
		if err == nil && len(targets) > 1 {
			held[name], err = target.Store.List(ctx, "")
		}
		failures = append(failures, err, target.Store.Close())
	}
	for _, c := range compare(held) {
		checks = append(checks, c)
		t.add(c.Name, "behind", "", "", c.Target+" "+c.Error+"; the next run copies there what backups need")
	}
	if inv.json() {
		err = writeJSON(inv.stdout, struct {
			URL    string  `json:"url"`
			Checks []check `json:"checks"`
		}{inv.url(), checks})
	} else {
		err = t.write(inv.stdout)
	}
	return joinAll(append(failures, err))
}

// compare finds the targets that lack objects of backups that others hold.
func compare(held map[string][]storage.Info) []check {
	all, count := map[string]bool{}, map[string]int{}
	for target, list := range held {
		for _, object := range list {
			if strings.Contains(object.Name, "duplicity-") {
				all[object.Name] = true
				count[target]++
			}
		}
	}
	var behind []check
	for _, target := range slices.Sorted(maps.Keys(held)) {
		if lacks := len(all) - count[target]; lacks > 0 {
			behind = append(behind, check{Target: target, Name: "compare", Objects: lacks,
				Error: fmt.Sprintf("lacks %d of the %d objects that the targets hold together", lacks, len(all))})
		}
	}
	return behind
}

func addCheck(t *table, c storage.Check) {
	result, size, remark := "good", "", ""
	switch {
	case c.Refused && c.Name == "delete":
		result, remark = "refused", "backups work; these credentials can't prune"
	case c.Refused:
		result, remark = "refused", "backups work; these credentials can't restore"
	case c.Err != nil:
		result = "failed"
	case c.Name == "list":
		remark = fmt.Sprintf("%d objects", c.Objects)
	case c.Bytes > 1<<20 && c.Took > 0:
		remark = formatSize(int64(float64(c.Bytes)/c.Took.Seconds())) + "/s"
	}
	if c.Bytes > 0 {
		size = formatSize(c.Bytes)
	}
	t.add(c.Name, result, size, formatDuration(c.Took.Round(time.Millisecond)), remark)
}
