package config_test

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
)

// helpOption is an option as `duplicity --help` shows it: its spellings, each
// with what stands for the value.
var helpOption = regexp.MustCompile(`(?m)^  (-{1,2}[A-Za-z].*?)( {2,}.*)?$`)

// Every option that the help of the installed duplicity lists is known, with
// its value or without.
func TestEveryOptionOfDuplicityIsKnown(t *testing.T) {
	help, err := exec.Command("duplicity", "--help").Output()
	if err != nil {
		t.Fatalf("duplicity --help: %v", err)
	}
	_, list, found := strings.Cut(string(help), "\nOptions:\n")
	if !found {
		t.Fatalf("no options in %s", help)
	}
	classes := map[string]int{}
	for _, m := range helpOption.FindAllStringSubmatch(list, -1) {
		for _, spelling := range strings.Split(strings.TrimSpace(m[1]), ", ") {
			name, _, value := strings.Cut(strings.Replace(spelling, " ", "=", 1), "=")
			classes[classify(t, name, value)]++
		}
	}
	t.Logf("classes: %v", classes)
	if sum := classes["honoured"] + classes["needless"] + classes["impossible"]; sum < 110 || classes["honoured"] != 41 {
		t.Errorf("%d spellings: %v", sum, classes)
	}
}

// classify gives the class of an option and checks how it takes its value.
func classify(t *testing.T, name string, value bool) string {
	t.Helper()
	right, wrong := name, name+"=1"
	if !strings.HasPrefix(wrong, "--") {
		wrong = name + "1"
	}
	if value {
		right, wrong = wrong, name
	}
	if strings.HasPrefix(name, "--ssh-option") { // takes options in its turn
		right = name + "=-p1"
	}
	if name == "--rename" { // the help doesn't tell that it takes two
		right += " 2"
	}
	if _, err := config.Load([]string{"BACKUP_DUPLICITY_OPTIONS=" + wrong}, nil, ""); err == nil || !strings.Contains(err.Error(), "value") {
		t.Errorf("%s: %v", wrong, err)
	}
	c, err := config.Load([]string{"BACKUP_DUPLICITY_OPTIONS=" + right}, nil, "")
	switch {
	case err == nil && len(c.Notes) == 0:
		return "honoured"
	case err == nil && len(c.Notes) == 1 && strings.HasPrefix(c.Notes[0], "BACKUP_DUPLICITY_OPTIONS: "+name+" is not needed: "):
		return "needless"
	case err != nil && err.Error() == "BACKUP_DUPLICITY_OPTIONS: option "+name+" is not supported":
		var e *config.Error
		if !errors.As(err, &e) || e.Faults[0].Hint() == "" {
			t.Errorf("%s has no hint", name)
		}
		return "impossible"
	}
	t.Errorf("%s: %v, %v", right, c, err)
	return "unknown"
}

// What older versions knew, and what the help leaves out.
func TestOlderSpellings(t *testing.T) {
	for _, option := range []string{
		"--ssh-option=x", "--ssh-backend=paramiko", "--use-scp", "--include-globbing-filelist=x", "--exclude-globbing-filelist=x",
		"--include-filelist-stdin", "--exclude-filelist-stdin", "--config-dir=x", "--current-time=1", "--fail-on-volume=1", "--skip-volume=1",
	} {
		name, _, value := strings.Cut(option, "=")
		classify(t, name, value)
	}
}

func TestHonouredOptions(t *testing.T) {
	c := load(t, "BACKUP_DUPLICITY_OPTIONS=--no-encryption --num-retries 3 --backend-retry-delay=7")
	if !c.NoEncryption || c.Retries != 3 || c.RetryDelay != 7*time.Second {
		t.Errorf("got %+v", c)
	}
	c = load(t, "BACKUP_DUPLICITY_OPTIONS=--file-prefix a --file-prefix-archive=b --file-prefix-manifest=c --file-prefix-signature=d")
	if want := (config.Prefixes{All: "a", Volume: "b", Manifest: "c", Signatures: "d"}); c.Prefixes != want {
		t.Errorf("prefixes: %+v", c.Prefixes)
	}
	if _, err := config.Load([]string{"BACKUP_DUPLICITY_OPTIONS=--file-prefix=a/b"}, nil, ""); err == nil {
		t.Error("a prefix with a slash is taken")
	}
	c = load(t, "BACKUP_DUPLICITY_ENCRYPT_KEY=A", "BACKUP_DUPLICITY_OPTIONS=--encrypt-key B --hidden-encrypt-key C --encrypt-sign-key D "+
		"--include '/backup/a b' --exclude-other-filesystems --exclude=**")
	got := []any{c.EncryptKeys, c.HiddenKeys, c.SignKey, c.Selection}
	want := []any{[]string{"A", "B", "D"}, []string{"C"}, "D", []config.Rule{
		{Option: "--include", Value: "/backup/a b"}, {Option: "--exclude-other-filesystems"}, {Option: "--exclude", Value: "**"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys and selection (-want +got):\n%s", diff)
	}
}
