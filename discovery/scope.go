package discovery

import (
	"fmt"
	"strings"
)

// Scope says which containers one purser looks after; the others do not exist
// for it. The zero value is all of them.
type Scope struct {
	Project    bool   // only those of purser's own stack
	key, value string // only those with this label
	anyValue   bool
}

// ParseScope reads "all", "project", or a label in Docker's own spelling of a
// filter: "label=KEY" or "label=KEY=VALUE". An empty string is "all". The error
// has a hint.
func ParseScope(s string) (Scope, error) {
	filter, isLabel := strings.CutPrefix(s, "label=")
	switch {
	case s == "" || s == "all":
		return Scope{}, nil
	case s == "project":
		return Scope{Project: true}, nil
	case isLabel:
		key, value, valued := strings.Cut(filter, "=")
		if key != "" {
			return Scope{key: key, value: value, anyValue: !valued}, nil
		}
	}
	return Scope{}, &scopeError{s}
}

type scopeError struct{ scope string }

func (e *scopeError) Error() string { return fmt.Sprintf("unknown scope %q", e.scope) }
func (e *scopeError) Hint() string {
	return "set BACKUP_SCOPE to all, project, label=KEY or label=KEY=VALUE"
}

// Contains reports whether a container is to be looked after. own is purser's
// own container; only a scope with Project set looks at it, and an own
// container without a stack has no project: nothing is in scope then.
func (s Scope) Contains(own, c Container) bool {
	if s.Project {
		stack := stackOf(own)
		return stack != "" && stackOf(c) == stack
	}
	if s.key == "" {
		return true
	}
	value, ok := c.Labels[s.key]
	return ok && (s.anyValue || value == s.value)
}

// HasStack reports whether an orchestrator has put the container into a stack.
func (c Container) HasStack() bool { return stackOf(c) != "" }

// stackOf is the stack by the orchestrator's labels alone: the label backup.id
// renames a service's dumps and moves it to no other stack.
func stackOf(c Container) string {
	for _, o := range orchestrators {
		if stack := c.Labels[o.stack]; stack != "" {
			return stack
		}
	}
	return ""
}
