package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

func completionCommand() *command {
	return &command{
		name: "completion", args: "bash", min: 1, max: 1,
		summary: "print a script that completes purser's commands and flags",
		example: `source <(purser completion bash)    # for this shell
purser completion bash > /etc/bash_completion.d/purser    # for all to come`,
		help: "Completes commands, their flags, directories, and the values of --output and --log-level.\n" + exitHelp(),
		run: func(_ context.Context, inv *invocation) error {
			if inv.args[0] != "bash" {
				return usagef("usage: purser completion bash", "no completion for the shell %q", inv.args[0])
			}
			_, err := io.WriteString(inv.stdout, inv.bashCompletion())
			return err
		},
	}
}

// The script splits the line itself: bash would also split at : and =.
const bashScript = `# bash completion for purser, made by: purser completion bash
_purser() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev= command= i
    local -a words
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    [[ ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]] && words+=("")
    local last=$((${#words[@]} - 1))
    for ((i = 1; i < last; i++)); do
        case ${words[i]} in
        VALUES) ((i++)) ;;
        -*) ;;
        *) command=${words[i]}; break ;;
        esac
    done
    prev=${words[last - 1]}
    if [[ ${words[last]} == --*=* ]]; then
        prev=${words[last]%%=*}
        [[ $cur == "=" ]] && cur=
    fi
    COMPREPLY=()
    case $prev in
    --output) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
    --log-level) COMPREPLY=($(compgen -W "debug info warn error" -- "$cur")); return ;;
    --source | --archive-dir) compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")); return ;;
    VALUES) return ;;
    esac
    local flags="GLOBAL"
    case $command in
    "") COMPREPLY=($(compgen -W "COMMANDS $flags" -- "$cur")); return ;;
EACH    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
        return
    fi
    case $command in
    help) COMPREPLY=($(compgen -W "COMMANDS" -- "$cur")) ;;
    completion) COMPREPLY=($(compgen -W "bash" -- "$cur")) ;;
    restore) compopt -o filenames; COMPREPLY=($(compgen -d -- "$cur")) ;;
    esac
}
complete -F _purser purser
`

// bashCompletion fills the script from the table of commands.
func (inv *invocation) bashCompletion() string {
	global, valued := flagNames(inv.flagSet(nil))
	var names []string
	var each strings.Builder
	for _, c := range commands() {
		names = append(names, c.name)
		all, withValue := flagNames(inv.flagSet(c))
		own := slices.DeleteFunc(all, func(f string) bool { return slices.Contains(global, f) })
		if len(own) > 0 {
			fmt.Fprintf(&each, "    %s) flags+=\" %s\" ;;\n", c.name, strings.Join(own, " "))
		}
		valued = append(valued, withValue...)
	}
	slices.Sort(valued)
	return strings.NewReplacer(
		"VALUES", strings.Join(slices.Compact(valued), " | "), "GLOBAL", strings.Join(global, " "),
		"COMMANDS", strings.Join(names, " "), "EACH", each.String(),
	).Replace(bashScript)
}

// flagNames lists the flags of a set, and those of them that take a value.
func flagNames(fs *flag.FlagSet) (all, valued []string) {
	fs.VisitAll(func(f *flag.Flag) {
		if len(f.Name) == 1 {
			return
		}
		all = append(all, "--"+f.Name)
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); !ok || !b.IsBoolFlag() {
			valued = append(valued, "--"+f.Name)
		}
	})
	return all, valued
}
