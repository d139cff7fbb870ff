package dumpers

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/purser-backup/purser/discovery"
)

// SecretsSetting is the setting that Secrets come from, for messages.
const SecretsSetting = "BACKUP_SERVICE_SECRETS"

// Secrets is a directory of secrets that the operator binds to services, one in
// each file STACK/SERVICE/VARIABLE. For the recipe of that service the file's
// content takes the place of the service's own variable. Files are read for each
// dump anew. An empty one binds nothing. What begins with a dot is not looked at.
type Secrets string

// maxBound is the largest secret, in bytes.
const maxBound = 64 << 10

// of is the directory of a service. Its identity's parts are safe as parts of
// a path.
func (b Secrets) of(s discovery.Service) string { return filepath.Join(string(b), s.Stack, s.Name) }

// values reads those of the service's secrets that a recipe asks for by name.
func (b Secrets) values(s discovery.Service, names []string) (map[string]Value, error) {
	if b == "" {
		return nil, nil
	}
	bound, err := b.bound(s.Stack, s.Name)
	if err != nil {
		return nil, &Error{Service: s.ID(), Op: "credentials", Err: err, Advice: "let purser's user read the directory that " + SecretsSetting + " names, or unset it"}
	}
	values := map[string]Value{}
	for _, name := range bound {
		if !slices.Contains(names, name) {
			continue
		}
		path := filepath.Join(b.of(s), name)
		text, err := readBound(path)
		if err != nil {
			return nil, &Error{Service: s.ID(), Op: "credentials", Err: fmt.Errorf("the secret that is bound to it: %w", err), Advice: boundAdvice(path)}
		}
		values[name] = Value{Text: text, Origin: "the file " + path, Bound: true}
	}
	return values, nil
}

func boundAdvice(path string) string {
	return "put the value into " + path + ", owned by purser's user and with the mode 0600, or remove the file: then the service's own " + filepath.Base(path) + " counts"
}

// bound lists what is in a directory below, nothing if it isn't there. The
// directory of all must be there: without it a slip in its name would go unseen.
func (b Secrets) bound(below ...string) ([]string, error) {
	if _, err := os.ReadDir(string(b)); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(append([]string{string(b)}, below...)...))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readBound reads a secret, less the line breaks at its end. The error names
// the file, and holds nothing of it.
func readBound(path string) (text string, err error) {
	// To open a pipe would wait for whoever writes into it.
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxBound+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxBound:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxBound)
	}
	return secretText(path, data)
}

// secretText is the content of a file, less the line breaks at its end.
func secretText(file string, data []byte) (string, error) {
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case text == "":
		return "", fmt.Errorf("%s is empty", file)
	case strings.ContainsRune(text, 0):
		return "", fmt.Errorf("%s is not text", file)
	}
	return text, nil
}

// where says what the operator has bound to a service, or could.
func (b Secrets) where(s discovery.Service) string {
	if b == "" {
		return "another password goes into the file " + s.ID() + "/VARIABLE below a directory that " + SecretsSetting + " names"
	}
	bound, err := b.bound(s.Stack, s.Name)
	if err != nil || len(bound) == 0 {
		return "no secret is bound to it: there is none in " + b.of(s)
	}
	return "bound to it in " + b.of(s) + ": " + strings.Join(bound, ", ")
}

// Remark is something about the operator's secrets that he should know.
type Remark struct {
	Path    string // of the file or directory
	Message string
	Advice  string
}

// Look finds the secrets that count for the services, by their identities, and
// what is wrong with the others. A plan without a recipe is a service that isn't
// dumped. Where services may run that could not be seen, partial, a secret
// without one is no news. Contents are neither read nor shown.
func (b Secrets) Look(plans []Plan, partial bool) (used map[string][]string, remarks []Remark) {
	used = map[string][]string{}
	if b == "" {
		return used, nil
	}
	known := map[string]Plan{}
	for _, p := range plans {
		known[p.Service.ID()] = p
	}
	stacks, err := b.bound()
	if err != nil {
		return used, []Remark{{string(b), reason(err), "let purser's user read the directory that " + SecretsSetting + " names, or unset it"}}
	}
	l := &lookout{secrets: b, known: known, used: used, partial: partial}
	for _, stack := range stacks {
		for _, service := range l.directory(stack) {
			l.service(stack, service)
		}
	}
	return used, l.remarks
}

// lookout goes through the directory of secrets.
type lookout struct {
	secrets Secrets
	known   map[string]Plan
	used    map[string][]string
	partial bool
	remarks []Remark
}

func (l *lookout) remark(advice, message string, below ...string) {
	path := filepath.Join(append([]string{string(l.secrets)}, below...)...)
	l.remarks = append(l.remarks, Remark{path, message, advice})
}

const boundForm = "a secret is a file STACK/SERVICE/VARIABLE below the directory that " + SecretsSetting + " names; `purser discover` lists the services"

// directory lists what is in a stack's or a service's.
func (l *lookout) directory(below ...string) []string {
	path := filepath.Join(append([]string{string(l.secrets)}, below...)...)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		l.remark(boundForm, "it has no effect here", below...)
		return nil
	}
	names, err := l.secrets.bound(below...)
	if err != nil {
		l.remark("let purser's user read the directory", reason(err), below...)
	}
	return names
}

func (l *lookout) service(stack, service string) {
	id := stack + "/" + service
	plan, there := l.known[id]
	names := l.directory(stack, service)
	switch {
	case len(names) == 0:
		return
	case !there && !l.partial:
		l.remark(boundForm, "no service "+id+" runs", stack, service)
	case there && plan.Recipe == nil:
		l.remark("remove it, or see why with `purser discover`", id+" isn't dumped", stack, service)
	}
	var took []string
	if plan.Recipe != nil {
		took = plan.took(names)
	}
	for _, name := range names {
		path := filepath.Join(string(l.secrets), stack, service, name)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.remark(boundAdvice(path), reason(err), stack, service, name)
		case info.Mode().Perm()&0o066 != 0:
			l.remark("chmod 600 "+path+", on the host if it is mounted; a secret of Swarm has `mode: 0400` for that",
				fmt.Sprintf("others than its owner may use it: its mode is %04o", info.Mode().Perm()), stack, service, name)
		}
		switch {
		case plan.Recipe == nil:
		case slices.Contains(took, name):
			l.used[id] = append(l.used[id], path)
		case !slices.Contains(plan.Recipe.names, name):
			l.remark("the recipe knows: "+strings.Join(plan.Recipe.names, ", "), "it has no effect: the recipe "+plan.Recipe.file+" knows no such variable", stack, service, name)
		default:
			l.remark("bind the variable that counts, or take it from the service: "+strings.Join(took, ", "),
				"it has no effect: the recipe "+plan.Recipe.file+" takes other variables of "+id+" instead", stack, service, name)
		}
	}
}

// reason is an error of the file system without the path.
func reason(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// took are the names of the service's variables that the recipe takes where
// some are bound.
func (p Plan) took(bound []string) []string {
	c := p.Service.Primary()
	env := Environment(c.Env)
	for _, name := range p.Recipe.names {
		if slices.Contains(bound, name) || env[name].Text == "" && secretFile(c, name) != "" {
			env[name] = Value{Text: "x"}
		}
	}
	spec, err := p.Recipe.render(Vars{IP: serviceIP, TargetDir: targetDir, Env: env, Rand: strings.NewReader(trialNonce)})
	if err != nil { // the dump will tell
		return p.Recipe.names
	}
	var names []string
	for _, u := range spec.Used {
		names = append(names, u.Name)
	}
	return names
}

// secretFile is the path of the file, in the service, that holds a variable:
// NAME_FILE as most images have it, FILE__NAME as those of linuxserver.
func secretFile(c discovery.Container, name string) string {
	return cmp.Or(c.Env[name+"_FILE"], c.Env["FILE__"+name])
}
