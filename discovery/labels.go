package discovery

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/nearest"
	"github.com/purser-backup/purser/internal/schedule"
)

// The labels that a user sets on a service.
const (
	labelPrefix = "backup."

	LabelType        = "backup.type"         // selects a recipe, before the image name
	LabelDisable     = "backup.disable"      // present and not "false": no dump
	LabelID          = "backup.id"           // identity, instead of stack and service name
	LabelTimeout     = "backup.timeout"      // deadline of one dump, as "2h30m"
	LabelIdleTimeout = "backup.idle-timeout" // longest time without progress, as "10m"
	LabelPriority    = "backup.priority"     // high, normal or low: who is dumped first
	LabelSchedule    = "backup.schedule"     // when it is dumped, instead of with every run
)

// The labels that purser sets on what it creates.
const (
	LabelRole     = "io.purser.role"     // present: never a service
	LabelInstance = "io.purser.instance" // whose it is
)

// The labels of the orchestrators, in the order in which they are asked.
var orchestrators = []struct{ stack, service string }{
	{"com.docker.compose.project", "com.docker.compose.service"},
	{"com.docker.stack.namespace", "com.docker.swarm.service.name"},
	{"io.rancher.stack.name", "io.rancher.stack_service.name"},
}

// composeOneOff marks a container of "docker compose run": it bears the
// labels of a service without being one.
const composeOneOff = "com.docker.compose.oneoff"

func knownLabels() []string {
	return []string{LabelType, LabelDisable, LabelID, LabelTimeout, LabelIdleTimeout, LabelPriority, LabelSchedule}
}

// Settings are the validated values of a service's own labels.
type Settings struct {
	Type        string        // recipe that the user chose; empty: by image
	Disabled    bool          // the user wants no dump
	Timeout     time.Duration // 0: the default
	IdleTimeout time.Duration // 0: the default
	Priority    int           // who has more is dumped before others; 0 is the usual
	Schedule    string        // a schedule of its own; empty: with every run
}

// decode reads the labels with the prefix "backup." and reports those that
// it doesn't know or can't read.
func decode(labels map[string]string) (Settings, []fault) {
	s := Settings{Type: strings.TrimSpace(labels[LabelType])}
	var faults []fault
	if v, ok := labels[LabelDisable]; ok {
		s.Disabled = !strings.EqualFold(strings.TrimSpace(v), "false")
	}
	for key, target := range map[string]*time.Duration{LabelTimeout: &s.Timeout, LabelIdleTimeout: &s.IdleTimeout} {
		v, ok := labels[key]
		if !ok {
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			faults = append(faults, fault{
				message: "label " + key + ": " + quote(v) + " is not a positive duration; the default is used",
				remedy:  "write it as 90m or 2h30m",
			})
			continue
		}
		*target = d
	}
	if v := strings.ToLower(strings.TrimSpace(labels[LabelPriority])); v != "" {
		priority, ok := priorities()[v]
		if !ok {
			faults = append(faults, fault{
				message: "label " + LabelPriority + ": " + quote(v) + " is no priority; the usual one is used",
				remedy:  "write it as high, normal or low",
			})
		}
		s.Priority = priority
	}
	if v := strings.TrimSpace(labels[LabelSchedule]); v != "" {
		if _, err := schedule.Parse(v, ""); err != nil {
			faults = append(faults, badSchedule(err))
		} else {
			s.Schedule = v
		}
	}
	faults = append(faults, unknown(labels)...)
	slices.SortFunc(faults, func(a, b fault) int { return strings.Compare(a.message, b.message) })
	return s, faults
}

func priorities() map[string]int { return map[string]int{"high": 1, "normal": 0, "low": -1} }

// badSchedule is serious: the service may be dumped less often than its user
// asked for.
func badSchedule(err error) fault {
	f := fault{message: "label " + LabelSchedule + ": " + err.Error() + "; it is dumped with every run", serious: true}
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		f.remedy = hinter.Hint()
	}
	return f
}

func unknown(labels map[string]string) []fault {
	var faults []fault
	for key := range labels {
		if !strings.HasPrefix(key, labelPrefix) || slices.Contains(knownLabels(), key) {
			continue
		}
		f := fault{message: "label " + quote(key) + " is unknown and has no effect"}
		if near := nearest.To(key, knownLabels()); near != "" {
			// A slip of the pen: what the user asked for isn't done.
			f.remedy, f.serious = "did you mean "+near+"?", true
		} else {
			f.remedy = "known labels are " + strings.Join(knownLabels(), ", ")
		}
		faults = append(faults, f)
	}
	return faults
}
