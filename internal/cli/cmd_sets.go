package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine"
)

func setsCommand() *command {
	return &command{
		name:    "sets",
		summary: "list the chains and sets on the target, and what is incomplete",
		example: "purser sets --url file:///mnt/nas/purser",
		help: `A chain is a full set and the incremental sets that build on it. A set without a
manifest was interrupted: it is listed as incomplete, can't be restored, and the next
backup clears it away. An orphan is an incremental set whose predecessor is missing.

With --output json: {url, chains: [{sets: [SET]}], incomplete: [SET], orphans: [SET]},
SET being {kind, start, time, volumes, bytes, encrypted}; where there are several targets,
also targets: [{url, live, chains, sets, bytes, error}].
` + exitHelp(),
		run: runSets,
	}
}

// set is one set in the JSON output.
type set struct {
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

func runSets(ctx context.Context, inv *invocation) error {
	repo, err := inv.openRepository(ctx)
	if err != nil {
		return err
	}
	defer repo.Close()
	c, err := repo.Collection(ctx)
	if err != nil {
		return err
	}
	held, err := holdings(ctx, repo)
	if err != nil {
		return err
	}
	loc := inv.location()
	type chain struct {
		Sets []set `json:"sets"`
	}
	chains := []chain{}
	for _, ch := range c.Chains {
		chains = append(chains, chain{newSets(ch.Sets, loc)})
	}
	incomplete, orphans := newSets(c.Incomplete, loc), newSets(c.Orphans, loc)
	if inv.json() {
		return writeJSON(inv.stdout, struct {
			URL        string    `json:"url"`
			Chains     []chain   `json:"chains"`
			Incomplete []set     `json:"incomplete"`
			Orphans    []set     `json:"orphans"`
			Targets    []holding `json:"targets,omitempty"`
		}{inv.url(), chains, incomplete, orphans, held})
	}
	if len(chains)+len(incomplete)+len(orphans) == 0 {
		_, err := fmt.Fprintf(inv.stdout, "no backup in %s\n", inv.url())
		return err
	}
	t := &table{right: map[int]bool{3: true, 4: true}}
	t.add("CHAIN", "TIME", "KIND", "VOLUMES", "SIZE", "ENCRYPTED")
	for i, ch := range chains {
		addSets(t, strconv.Itoa(i+1), ch.Sets, "")
	}
	addSets(t, "-", incomplete, ", incomplete")
	addSets(t, "-", orphans, ", orphan")
	if err := t.write(inv.stdout); err != nil {
		return err
	}
	return writeHoldings(inv.stdout, held)
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
