package notify

import (
	"time"

	"github.com/purser-backup/purser/internal/api"
)

// Severity says how bad an event is.
type Severity string

// The severities.
const (
	Success    Severity = "success"
	Incomplete Severity = "incomplete" // something is missing, or will be soon
	Failure    Severity = "failure"
)

// Event is what a message is made of: the data of the templates.
type Event struct {
	Kind     string    // "run", or what is wrong: config, lock, engine, nothing, gone, missed, stale, full
	Severity Severity  // success, incomplete or failure
	Changed  bool      // a run ended otherwise than the last one; something began or ended to be wrong
	Subject  string    // a few words for the title
	Text     string    // one or two sentences
	Lines    []string  // the details, for a run its report; hints among them
	Hints    []string  // what can be done about it
	Instance string    // whose event it is
	Host     string    // name of the host, or of the container
	Target   string    // without its password
	Time     time.Time // when it happened
	Run      *api.Run  // null unless the event is the end of a run
}

// Wants reports whether a level asks for an event. Levels are failure,
// incomplete (that or worse), success (all), and changed.
func Wants(level string, e *Event) bool {
	switch level {
	case "failure":
		return e.Severity == Failure
	case "success":
		return true
	case "changed":
		return e.Changed
	}
	return e.Severity == Failure || e.Severity == Incomplete
}
