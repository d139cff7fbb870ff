package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine"
)

func setsCommand() *command {
	return &command{
		name: "sets", args: "[--profile NAME]",
		summary: "list the chains and sets on the target, and what is incomplete",
		example: "purser sets --url file:///mnt/nas/purser",
		help: `A chain is a full set and the incremental sets that build on it. A set without a
manifest was interrupted: it is listed as incomplete, can't be restored, and the next
backup clears it away. An orphan is an incremental set whose predecessor is missing.

` + profileEachHelp + `
With --output json: {url, chains: [{profile, sets: [SET]}], incomplete: [SET], orphans:
[SET]}, SET being {profile, kind, start, time, volumes, bytes, encrypted}; profile is there
where there are profiles; where there are several targets, also targets: [{url, live,
chains, sets, bytes, error}].
` + exitHelp(),
		flags: profileFlag,
		run:   runSets,
	}
}

// set is one set in the JSON output.
type set struct {
	Profile   string     `json:"profile,omitempty"`
	Kind      string     `json:"kind"`
	Start     *time.Time `json:"start"` // null for a full set
	Time      time.Time  `json:"time"`
	Volumes   int        `json:"volumes"`
	Bytes     int64      `json:"bytes"`
	Encrypted bool       `json:"encrypted"`
}

func newSet(s engine.Set, loc *time.Location) set {
	one := set{Kind: "full", Time: s.Time.In(loc), Volumes: s.Volumes, Bytes: s.Size, Encrypted: s.Encrypted}
	if !s.Full() {
		start := s.Start.In(loc)
		one.Kind, one.Start = "incremental", &start
	}
	return one
}

func newSets(sets []engine.Set, loc *time.Location) []set {
	list := []set{}
	for _, s := range sets {
		list = append(list, newSet(s, loc))
	}
	return list
}

// setList is what a target holds.
type setList struct {
	URL        string     `json:"url"`
	Chains     []setChain `json:"chains"`
	Incomplete []set      `json:"incomplete"`
	Orphans    []set      `json:"orphans"`
	Targets    []holding  `json:"targets,omitempty"`
}

type setChain struct {
	Profile string `json:"profile,omitempty"`
	Sets    []set  `json:"sets"`
}

func (l *setList) isEmpty() bool { return len(l.Chains)+len(l.Incomplete)+len(l.Orphans) == 0 }

func runSets(ctx context.Context, inv *invocation) error {
	all := setList{Chains: []setChain{}, Incomplete: []set{}, Orphans: []set{}}
	err := inv.learning(ctx, func() error {
		if err := inv.eachProfile(func() error { return inv.addSets(ctx, &all) }); err != nil || len(inv.cfg.Profiles) == 0 {
			return err
		}
		return inv.addOldSets(ctx, &all)
	})
	if err != nil && !errors.Is(err, engine.ErrNoBackup) {
		return err
	}
	all.URL = inv.url()
	switch {
	case inv.json():
		return writeJSON(inv.stdout, all)
	case err != nil: // that there is none
		return inv.writeSets(all)
	}
	return nil
}

// addSets shows the sets of one repository, or adds them to the list for JSON. An
// empty one without a profile is no backup.
func (inv *invocation) addSets(ctx context.Context, all *setList) error {
	one, err := inv.listSets(ctx)
	switch {
	case err != nil:
		return err
	case one.isEmpty() && inv.cfg.Profile == "":
		return engine.ErrNoBackup
	case !inv.json():
		return join(inv.heading(), inv.writeSets(one))
	}
	all.add(one)
	return nil
}

func (l *setList) add(one setList) {
	l.Chains = append(l.Chains, one.Chains...)
	l.Incomplete = append(l.Incomplete, one.Incomplete...)
	l.Orphans = append(l.Orphans, one.Orphans...)
	l.Targets = append(l.Targets, one.Targets...)
}

// addOldSets shows what a target with profiles held before it had some.
func (inv *invocation) addOldSets(ctx context.Context, all *setList) error {
	o, err := inv.options(quiet)
	if err != nil {
		return err
	}
	whole := inv.cfg
	defer func() { inv.cfg = whole }()
	inv.cfg = o.Whole().Config
	one, err := inv.listSets(ctx)
	if err != nil || one.isEmpty() {
		return err
	}
	if inv.json() {
		all.add(one)
		return nil
	}
	if _, err := fmt.Fprintln(inv.stdout, "without a profile:"); err != nil {
		return err
	}
	return inv.writeSets(one)
}

// listSets asks one repository.
func (inv *invocation) listSets(ctx context.Context) (list setList, err error) {
	repo, err := inv.openRepository(ctx)
	if err != nil {
		return list, err
	}
	c, err := repo.Collection(ctx)
	if err == nil {
		list.Targets, err = holdings(ctx, repo)
	}
	if err = join(err, repo.Close()); err != nil {
		return list, err
	}
	profile, loc := inv.cfg.Profile, inv.location()
	of := func(sets []engine.Set) []set {
		list := newSets(sets, loc)
		for i := range list {
			list[i].Profile = profile
		}
		return list
	}
	for _, ch := range c.Chains {
		list.Chains = append(list.Chains, setChain{profile, of(ch.Sets)})
	}
	list.Incomplete, list.Orphans = of(c.Incomplete), of(c.Orphans)
	return list, nil
}

func (inv *invocation) writeSets(list setList) error {
	if list.isEmpty() {
		_, err := fmt.Fprintf(inv.stdout, "no backup in %s\n", inv.url())
		return err
	}
	t := &table{right: map[int]bool{3: true, 4: true}}
	t.add("CHAIN", "TIME", "KIND", "VOLUMES", "SIZE", "ENCRYPTED")
	for i, ch := range list.Chains {
		addSets(t, strconv.Itoa(i+1), ch.Sets, "")
	}
	addSets(t, "-", list.Incomplete, ", incomplete")
	addSets(t, "-", list.Orphans, ", orphan")
	if err := t.write(inv.stdout); err != nil {
		return err
	}
	return writeHoldings(inv.stdout, list.Targets)
}

// holding is what one of several targets has, in the JSON output.
type holding struct {
	URL    string `json:"url"`
	Live   bool   `json:"live"` // the place nearby
	Chains int    `json:"chains"`
	Sets   int    `json:"sets"`
	Bytes  int64  `json:"bytes"`
	Error  string `json:"error"` // why it could not be asked
}

func holdings(ctx context.Context, repo *engine.Repository) ([]holding, error) {
	reports, err := repo.Report(ctx)
	if err != nil {
		return nil, err
	}
	var list []holding
	for _, r := range reports {
		one := holding{URL: r.URL, Live: r.Live, Chains: r.Chains, Sets: r.Sets, Bytes: r.Bytes}
		if r.Err != nil {
			one.Error = oneLine(r.Err.Error())
		}
		list = append(list, one)
	}
	return list, nil
}

func writeHoldings(w io.Writer, list []holding) error {
	if len(list) == 0 {
		return nil
	}
	t := &table{right: map[int]bool{1: true, 2: true, 3: true}}
	t.add("", "", "", "", "")
	t.add("TARGET", "CHAINS", "SETS", "SIZE", "")
	for _, h := range list {
		t.add(printable(h.URL), strconv.Itoa(h.Chains), strconv.Itoa(h.Sets), formatSize(h.Bytes), printable(h.Error))
	}
	return t.write(w)
}

func addSets(t *table, chain string, sets []set, remark string) {
	for _, s := range sets {
		encrypted := "no"
		if s.Encrypted {
			encrypted = "yes"
		}
		t.add(chain, formatTime(s.Time), s.Kind+remark, strconv.Itoa(s.Volumes), formatSize(s.Bytes), encrypted)
	}
}
