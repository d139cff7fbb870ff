package selection

import (
	"errors"
	"io"
	"strings"
)

// The options, as duplicity spells them.
const (
	optInclude        = "--include"
	optExclude        = "--exclude"
	optIncludeList    = "--include-filelist"
	optExcludeList    = "--exclude-filelist"
	optIncludeOldList = "--include-globbing-filelist"
	optExcludeOldList = "--exclude-globbing-filelist"
	optIncludeRegexp  = "--include-regexp"
	optExcludeRegexp  = "--exclude-regexp"
	optIfPresent      = "--exclude-if-present"
	optDevices        = "--exclude-device-files"
	optOtherFS        = "--exclude-other-filesystems"
	optOlderThan      = "--exclude-older-than"
	optNull           = "--null-separator"
)

// builder turns rules into conditions.
type builder struct {
	source string
	opt    Options
	null   bool // file lists are separated by NUL
	conds  []condition
	last   Rule // that brought the last condition
	faults []error
}

func (b *builder) err() error { return errors.Join(b.faults...) }

func (b *builder) fault(e *Error) { b.faults = append(b.faults, e) }

func (b *builder) append(r Rule, c condition) {
	b.conds = append(b.conds, c)
	b.last = r
}

// first puts a condition before all others: duplicity lets device files and
// marked directories not be included by anything.
func (b *builder) first(r Rule, judge func(full string, o *Object) verdict) {
	if len(b.conds) == 0 {
		b.last = r
	}
	b.conds = append([]condition{{judge: judge}}, b.conds...)
}

func (b *builder) add(r Rule) {
	switch r.Option {
	case optInclude, optExclude:
		b.glob(r, r.Value, r.Option == optInclude, 0)
	case optIncludeList, optIncludeOldList:
		b.list(r, true)
	case optExcludeList, optExcludeOldList:
		b.list(r, false)
	case optIncludeRegexp, optExcludeRegexp:
		b.regexp(r, r.Option == optIncludeRegexp)
	case optOlderThan:
		b.olderThan(r)
	case optIfPresent:
		b.first(r, func(_ string, o *Object) verdict { return excludeIf(o.Dir && isEntry(r.Value) && o.Has(r.Value)) })
	case optDevices:
		b.first(r, func(_ string, o *Object) verdict { return excludeIf(o.Device) })
	case optOtherFS:
		b.append(r, condition{judge: func(_ string, o *Object) verdict { return excludeIf(o.Foreign) }})
	case optNull:
	default:
		b.fault(&Error{Fault: BadOption, Rule: r, Reason: "is no option that chooses files",
			hint: "use --include, --exclude, their -filelist and -regexp forms, --exclude-if-present, --exclude-older-than, --exclude-device-files or --exclude-other-filesystems"})
	}
}

func excludeIf(matches bool) verdict {
	if matches {
		return no
	}
	return unknown
}

// isEntry says whether name can be the name of a directory's entry at all.
func isEntry(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// glob adds the condition of one pattern. line is its line in the list that r
// names, or 0.
func (b *builder) glob(r Rule, pattern string, include bool, line int) {
	g, err := compile(pattern)
	if err != nil {
		b.fault(&Error{Fault: BadGlob, Rule: r, Line: line, text: pattern, Reason: err.Error(), hint: globHint})
		return
	}
	// As duplicity does: would an include reach the source itself?
	if g.judge(b.source, true, true) == unknown {
		b.fault(&Error{Fault: Outside, Rule: r, Line: line, text: pattern, Source: b.source,
			hint: "begin the pattern with the source path as it is given, or with **"})
		return
	}
	b.append(r, condition{include: include, judge: func(full string, o *Object) verdict { return g.judge(full, o.Dir, include) }})
}

const globHint = "* and ? stop at a slash, ** does not, [abc] and [!abc] stand for one character, [[] for a bracket itself"

func (b *builder) list(r Rule, include bool) {
	data, err := b.read(r.Value)
	if err != nil {
		b.fault(&Error{Fault: BadList, Rule: r, Reason: "read the file list", Err: err,
			hint: "the list must be a readable file where purser runs; mount it into purser's container"})
		return
	}
	for _, l := range lines(data, b.null) {
		if pattern, inc, ok := parseLine(l.text, include); ok {
			b.glob(r, pattern, inc, l.number)
		}
	}
}

func (b *builder) read(name string) ([]byte, error) {
	f, err := b.opt.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

func (b *builder) regexp(r Rule, include bool) {
	re, err := parseRegexp(r.Value)
	if err != nil {
		b.fault(&Error{Fault: BadValue, Rule: r, Reason: "is not supported as a regular expression", Err: err,
			hint: "write it without look-ahead, look-behind and back references, or use a glob"})
		return
	}
	decided := no
	if include {
		decided = yes
	}
	b.append(r, condition{include: include, judge: func(full string, _ *Object) verdict {
		if re.search(full) {
			return decided
		}
		return unknown
	}})
}

func (b *builder) olderThan(r Rule) {
	t, err := b.opt.ParseTime(r.Value)
	if err != nil {
		hint := "write a time, for example 2026-01-31 or 7D"
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			hint = h.Hint()
		}
		b.fault(&Error{Fault: BadValue, Rule: r, Reason: "is no time", Err: err, hint: hint})
		return
	}
	b.append(r, condition{judge: func(_ string, o *Object) verdict {
		return excludeIf(o.Regular && o.ModTime.Unix() < t.Unix())
	}})
}
