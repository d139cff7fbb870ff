package api

import "time"

// Trigger says who started a run.
type Trigger string

// What starts a run.
const (
	BySchedule Trigger = "schedule"
	ByCommand  Trigger = "command"
)

// Result is how a run ended.
type Result string

// The results of a run.
const (
	Complete    Result = "complete"
	Incomplete  Result = "incomplete"  // backed up, but something is missing from it, or pruning failed
	Failed      Result = "failed"      // nothing was backed up
	Interrupted Result = "interrupted" // cancelled, or the process died
)

// Run is the record of one run.
type Run struct {
	Trigger  Trigger       `json:"trigger"`
	Partial  bool          `json:"partial,omitempty"` // only services with a schedule of their own were due
	Started  time.Time     `json:"started"`
	Ended    time.Time     `json:"ended"`
	Result   Result        `json:"result"`
	Errors   []string      `json:"errors"`   // why it isn't complete
	Hints    []string      `json:"hints"`    // what can be done about it
	Problems []string      `json:"problems"` // what else the user should know
	Services []ServiceDump `json:"services"`
	Skipped  []PassedOver  `json:"skipped"`           // services that their labels exclude
	Missed   []PassedOver  `json:"not_covered"`       // services that no recipe covers
	Target   string        `json:"target"`            // without its password
	Backup   *Backup       `json:"backup"`            // null if nothing was backed up
	Prune    *Pruning      `json:"prune"`             // null if the run did not come to it, or it failed
	Kept     *Kept         `json:"kept"`              // null as prune is
	Targets  []Target      `json:"targets,omitempty"` // each of several, and the place nearby, nearest first
	// Profiles has what was done for each profile that was due. Backup is then
	// the last of theirs, and prune and kept are sums.
	Profiles []ProfileRun `json:"profiles,omitempty"`
}

// ProfileRun is what a run did for one profile.
type ProfileRun struct {
	Profile string   `json:"profile"`
	Target  string   `json:"target"` // without its password
	Backup  *Backup  `json:"backup"`
	Prune   *Pruning `json:"prune"`
	Kept    *Kept    `json:"kept"`
	Error   string   `json:"error,omitempty"`
}

// PassedOver is a service that a run does not dump, and why.
type PassedOver struct {
	ID     string `json:"id"`
	Image  string `json:"image"`
	Reason string `json:"reason"`
}

// Kept is what the target holds after a run.
type Kept struct {
	Chains int   `json:"chains"`
	Sets   int   `json:"sets"`
	Bytes  int64 `json:"bytes"`
}

// Target is what became of one of several targets in a run.
type Target struct {
	URL           string `json:"url"`            // without its password
	Live          bool   `json:"live,omitempty"` // it is the place nearby, which holds the newest sets
	UploadedBytes int64  `json:"uploaded_bytes"` // what was stored there
	CopiedSets    int    `json:"copied_sets"`    // which it lacked, or which were its turn
	PrunedSets    int    `json:"pruned_sets"`
	Kept          Kept   `json:"kept"`
	Error         string `json:"error,omitempty"` // why it doesn't hold all that it is to hold
}

// Pruning is what the retention settings deleted after a backup.
type Pruning struct {
	Sets    int   `json:"sets"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Outcome is what became of one service in a run.
type Outcome string

// The outcomes for a service.
const (
	Dumped        Outcome = "dumped"
	DumpFailed    Outcome = "failed"
	DumpCancelled Outcome = "cancelled" // with the whole run
)

// ServiceDump is the dump of one service in a run.
type ServiceDump struct {
	ID      string    `json:"id"` // STACK/SERVICE, or the label backup.id
	Recipe  string    `json:"recipe"`
	Outcome Outcome   `json:"outcome"`
	Certain bool      `json:"certain"` // false: the recipe is a guess from the image's name
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	// Previous is the size of the last good dump before this one, 0 if there
	// was none.
	Previous int64  `json:"previous_bytes"`
	Error    string `json:"error,omitempty"`
	Warning  string `json:"warning,omitempty"` // about a dump that is whole
}

// Backup is what one backup of the tree wrote.
type Backup struct {
	Kind          string    `json:"kind"`          // full, incremental, or unchanged if nothing had to be written
	Time          time.Time `json:"time,omitzero"` // of the set; absent if unchanged
	Ended         time.Time `json:"ended"`
	Volumes       int       `json:"volumes"`
	Bytes         int64     `json:"bytes"` // of the set on the target
	Encrypted     bool      `json:"encrypted"`
	Files         int       `json:"files"`
	New           int       `json:"new"`
	Changed       int       `json:"changed"`
	Deleted       int       `json:"deleted"`
	SourceBytes   int64     `json:"source_bytes"`
	UploadedBytes int64     `json:"uploaded_bytes"`
	Unreadable    []string  `json:"unreadable"`
}
