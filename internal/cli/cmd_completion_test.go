package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBashCompletion asks a real bash what it would offer.
func TestBashCompletion(t *testing.T) {
	b := newBench(t)
	script := b.good("completion", "bash")
	// What bash sets before it calls the function: the words, split at its own
	// places, and the line.
	const ask = `
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
split=${1//=/ = }; split=${split//:/ : }
read -ra COMP_WORDS <<<"$split"
[[ $1 == *" " || $1 == *= ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_purser
printf '%s\n' "${COMPREPLY[@]}"`
	for line, want := range map[string]string{
		"purser re": "recipe restore",
		"purser --url file:///x --output json back":   "backup",
		"purser backup --f":                           "--full",
		"purser --url=file:///x backup --f":           "--full",
		"purser restore --time 3D --p":                "--path --profile",
		"purser restore --data":                       "",
		"purser verify --data --ti":                   "--time",
		"purser prune --keep":                         "--keep-full --keep-incremental-of",
		"purser prune --keep-full ":                   "",
		"purser sets --output ":                       "json text",
		"purser sets --output=j":                      "json",
		"purser sets --output=":                       "json text",
		"purser sets --log-level w":                   "warn",
		"purser help conf":                            "config",
		"purser completion ":                          "bash",
		"purser run --":                               "--archive-dir --dry-run --due --force --help --log-level --output --profile --source --url",
		"purser sets x":                               "",
		"purser --archive-dir /somewhere --log-level": "--log-level",
	} {
		cmd := exec.Command("bash", "--norc", "-c", script+ask, "bash", line)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", line, err, out)
		}
		got := strings.Fields(string(out))
		slices.Sort(got)
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
	out, err := exec.Command("bash", "--norc", "-c", script+"\ncomplete -p purser").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "complete -F _purser purser" {
		t.Errorf("%v: %s", err, out)
	}
	b.bad(2, "error: no completion for the shell \"fish\"\nhint: usage: purser completion bash\n", "completion", "fish")
}
