package engine

import (
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/selection"
)

// A Rule is one of duplicity's options that choose files, for example
// {"--exclude", "**/cache"}. The order of rules counts.
type Rule = selection.Rule

// A RuleError says what is wrong with one rule. It is a mistake of the user's,
// and has a hint.
type RuleError = selection.Error

// CheckRules says what is wrong with the rules for a source at path, before
// anything runs. It reads the file lists that the rules name. The error joins a
// [*RuleError] for each fault. now is the time that --exclude-older-than counts
// from.
func CheckRules(path string, rules []Rule, now time.Time) error {
	_, err := compileRules(path, rules, now)
	return err
}

// Select makes later walks leave out what the rules exclude, as duplicity 0.8
// does: the first rule that fits decides, and what none fits is kept. Patterns
// are matched against the path that was given to OpenDir, joined with that of
// the entry. Errors are those of CheckRules. It must not be called during a walk.
func (s *DirSource) Select(rules []Rule, now time.Time) error {
	chosen, err := compileRules(s.root.Name(), rules, now)
	if err != nil {
		return err
	}
	info, err := s.root.Stat(".")
	if err != nil {
		return fmt.Errorf("look at source %s: %w", s.root.Name(), err)
	}
	s.chosen, s.device = chosen, info.Sys().(*syscall.Stat_t).Dev
	return nil
}

func compileRules(path string, rules []Rule, now time.Time) (*selection.Selection, error) {
	return selection.New(path, rules, selection.Options{
		Open:      func(name string) (io.ReadCloser, error) { return os.Open(name) },
		ParseTime: func(value string) (time.Time, error) { return format.ParseTime(value, now) },
	})
}

// decide says what becomes of the object name in dir. One that could not be
// looked at is left out only if that holds whatever it is.
func (s *DirSource) decide(dir *directory, p, name string, l *aLook) selection.Decision {
	if s.chosen == nil {
		return selection.Include
	}
	if !l.found() {
		asDir := s.chosen.Decide(selection.Object{Path: p, Dir: true, Has: func(string) bool { return false }})
		if asDir == selection.Exclude && s.chosen.Decide(selection.Object{Path: p}) != selection.Exclude {
			return selection.Include
		}
		return asDir
	}
	kind := l.kind()
	return s.chosen.Decide(selection.Object{
		Path: p, ModTime: time.Unix(l.stat.Mtim.Unix()),
		Dir: kind == unix.S_IFDIR, Regular: kind == unix.S_IFREG,
		Device:  kind == unix.S_IFCHR || kind == unix.S_IFBLK,
		Foreign: l.stat.Dev != s.device,
		Has: func(entry string) bool {
			_, err := dir.root.Lstat(path.Join(name, entry))
			return err == nil
		},
	})
}

// emit yields e, and before it the scanned directories that lead to it.
func (s *DirSource) emit(e Entry, yield func(Entry, error) bool) bool {
	for _, dir := range s.held.Release() {
		if !yield(dir, nil) {
			return false
		}
	}
	return yield(e, nil)
}
