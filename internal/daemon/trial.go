package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/purser-backup/purser/dumpers"
)

// RecipeTest is a recipe that was proved on a throw-away server.
type RecipeTest struct {
	Kind    string    `json:"kind"`
	Recipe  string    `json:"recipe"` // file name
	Image   string    `json:"image"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"` // of the dump
	Bytes   int64     `json:"bytes"`
	Checked int       `json:"checked"` // lines that were the same before the dump and after the load
	Summary []string  `json:"summary"` // what the recipe says that it has loaded
}

// TestRecipe tries the recipe of a kind on an image: it seeds, dumps and removes
// a server, loads the dump into a second one, and compares. Nothing is left of
// it. It keeps out runs meanwhile.
func (d *Daemon) TestRecipe(ctx context.Context, kind, image string) (RecipeTest, error) {
	trial, ok := d.catalog.Trial(kind)
	if !ok {
		return RecipeTest{}, withHint(fmt.Errorf("no recipe is of the kind %q", kind),
			"`purser recipe list` shows all; known kinds are: %s", strings.Join(d.catalog.Kinds(), ", "))
	}
	r, err := d.begin(commandRecipe, RunOptions{Trigger: ByCommand})
	if err != nil {
		return RecipeTest{}, err
	}
	defer r.lock.unlock()
	test := RecipeTest{Kind: kind, Recipe: trial.Recipe.Name(), Image: image, Started: r.now(), Summary: []string{}}
	trial.Server.Image = image
	trial.Step = func(name string) { r.log.Info("recipe test", "kind", kind, "step", name) }
	err = r.try(ctx, trial, &test)
	test.Ended = r.now()
	return test, join(append(r.missing, err, r.close())...)
}

func (r *run) try(ctx context.Context, trial dumpers.Trial, test *RecipeTest) error {
	return r.withDumper(ctx, func(_ *dockerEngine, dumper *dumpers.Dumper) error {
		if err := r.phase(PhaseRecipe); err != nil {
			return err
		}
		tried, err := dumper.Try(ctx, trial)
		test.Files, test.Bytes, test.Checked = tried.Files, tried.Bytes, tried.Checked
		test.Summary = append(test.Summary, tried.Summary...)
		return err
	})
}
