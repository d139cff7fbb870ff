package dumpers

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// word is one word of a command, or an operator of the shell.
type word struct {
	text     string
	operator bool
}

const operators = "<>|;&"

// splitCommand reads a command in shell words. Of the shell's operators it
// takes one, a last "> FILE", which rancher-backup's own shell carried out:
// the standard output goes to that file. An operator of another kind is an
// error, as without a shell it would become an argument.
func splitCommand(s string) (argv []string, output string, err error) {
	words, err := splitWords(s)
	if err != nil {
		return nil, "", err
	}
	if n := len(words); n > 2 && words[n-2] == (word{">", true}) && !words[n-1].operator {
		words, output = words[:n-2], words[n-1].text
	}
	for _, w := range words {
		if w.operator {
			return nil, "", fmt.Errorf("%q outside of a script: only a last \"> FILE\" is understood there", w.text)
		}
		argv = append(argv, w.text)
	}
	return argv, output, nil
}

// splitWords splits a command into words as a POSIX shell reads them,
// without any expansion.
func splitWords(s string) ([]word, error) {
	var words []word
	var text strings.Builder
	started := false
	end := func() {
		if started {
			words = append(words, word{text: text.String()})
			text.Reset()
			started = false
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case strings.IndexByte(operators, c) >= 0:
			descriptor := ""
			if (c == '<' || c == '>') && strings.Trim(text.String(), "0123456789") == "" {
				descriptor = text.String()
				text.Reset()
				started = false
			}
			end()
			operator := s[i : len(s)-len(strings.TrimLeft(s[i:], operators))]
			words = append(words, word{descriptor + operator, true})
			i += len(operator) - 1
		case c == '\'':
			closing := strings.IndexByte(s[i+1:], '\'')
			if closing < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			text.WriteString(s[i+1 : i+1+closing])
			i += closing + 1
			started = true
		case c == '"':
			n, err := doubleQuoted(s[i+1:], &text)
			if err != nil {
				return nil, err
			}
			i += n
			started = true
		case c == '\\':
			if i+1 == len(s) {
				return nil, errors.New("a backslash ends the command")
			}
			i++
			if s[i] != '\n' {
				text.WriteByte(s[i])
				started = true
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			end()
		default:
			text.WriteByte(c)
			started = true
		}
	}
	end()
	return words, nil
}

// doubleQuoted reads up to the closing quote and returns the bytes consumed,
// with it.
func doubleQuoted(s string, word *strings.Builder) (int, error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1, nil
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`\n", s[i+1]) >= 0:
			i++
			if s[i] != '\n' {
				word.WriteByte(s[i])
			}
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, errors.New("a double quote is not closed")
}

// quoteWord makes s one literal word.
func quoteWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// expandWord makes one word of literal text and of references to values.
func expandWord(s string, values []found) string {
	if len(values) == 0 {
		return quoteWord(s)
	}
	var out strings.Builder
	last := 0
	literal := func(t string) {
		if t != "" {
			out.WriteString(quoteWord(t))
		}
	}
	for _, v := range values {
		literal(s[last:v.start])
		out.WriteString(`"${` + slot(v.index) + `}"`)
		last = v.end
	}
	literal(s[last:])
	return out.String()
}

// pipefail makes a shell that can do so fail when any part of a pipe fails.
const pipefail = "(set -o pipefail) 2>/dev/null && set -o pipefail\n"

// script runs the commands one after the other and stops at the first that
// fails, with its exit status.
func script(lines []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "failed() { echo \"command $1 of %d failed with exit status $2\" >&2; exit \"$2\"; }\n", len(lines))
	for i, line := range lines {
		fmt.Fprintf(&out, "%s || failed %d $?\n", line, i+1)
	}
	return out.String()
}

var (
	shells     = []string{"sh", "bash", "dash", "ash", "ksh", "zsh"}
	codeOption = regexp.MustCompile(`^-[A-Za-z]*c$`)
	codeLong   = regexp.MustCompile(`^--(command|eval|execute)$`)
	codeAssign = regexp.MustCompile(`^--(command|eval|execute)=`)
)

// isScript reports whether argv[i] is what follows "sh -c".
func isScript(argv []string, i int) bool {
	code := false
	for j := i - 1; j >= 0; j-- {
		switch {
		case codeOption.MatchString(argv[j]):
			code = true
		case strings.HasPrefix(argv[j], "-"), j > 0 && argv[j-1] == "-o":
		default:
			return code && slices.Contains(shells, path.Base(argv[j]))
		}
	}
	return false
}

// takesCode reports whether the word after this option is code of some kind.
func takesCode(option string) bool {
	return codeOption.MatchString(option) || codeLong.MatchString(option) || option == "eval"
}

func assignsCode(word string) bool { return codeAssign.MatchString(word) }
