package format

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// ParseManifest reads a manifest. It is as tolerant as duplicity: keywords in any
// case, CRLF, unknown lines, a missing host name, directory or file list, a file list
// anywhere. Records that a resumed backup wrote twice are resolved: a later one
// replaces an earlier one of its number, and volumes beyond the last record go. What
// it refuses wraps [ErrCorrupt].
func ParseManifest(b []byte) (*Manifest, error) {
	p := manifestParser{m: new(Manifest)}
	for line := range strings.SplitSeq(string(b), "\n") {
		if err := p.line(line); err != nil {
			return nil, err
		}
	}
	if err := p.endRecord(); err != nil {
		return nil, err
	}
	p.m.Volumes = resolveRecords(p.records)
	p.m.Ended = p.listed && len(p.m.Changes) == p.announced
	return p.m, nil
}

// resolveRecords applies the rule for records that a resumed backup repeated.
func resolveRecords(records []VolumeRecord) []VolumeRecord {
	if len(records) == 0 {
		return nil
	}
	last := records[len(records)-1].Number
	slices.SortStableFunc(records, func(a, b VolumeRecord) int { return a.Number - b.Number })
	var kept []VolumeRecord
	for i, r := range records {
		if r.Number <= last && (i+1 == len(records) || records[i+1].Number != r.Number) {
			kept = append(kept, r)
		}
	}
	return kept
}

type manifestParser struct {
	m         *Manifest
	records   []VolumeRecord
	record    *VolumeRecord // being read
	first     bool          // the record has a StartingPath
	last      bool          // the record has an EndingPath
	inList    bool          // the lines of a file list are being read
	listed    bool          // there was a file list
	announced int           // length of the file list, as its first line says
}

func (p *manifestParser) line(line string) error {
	line = strings.TrimSuffix(line, "\r")
	if strings.TrimLeft(line, asciiSpace) == "" {
		return nil
	}
	if !isSpace(line[0]) {
		return p.topLine(line)
	}
	fields := asciiFields(line)
	switch {
	case p.inList:
		return p.listLine(fields)
	case p.record != nil:
		return p.recordLine(fields)
	}
	return nil
}

func (p *manifestParser) topLine(line string) error {
	fields := asciiFields(line)
	value := ""
	if len(fields) > 1 {
		value = strings.Trim(line[len(fields[0]):], asciiSpace)
	}
	var err error
	switch strings.ToLower(fields[0]) {
	case "hostname":
		if p.m.Hostname == "" {
			p.m.Hostname, err = unquote(value)
		}
	case "localdir":
		if p.m.Localdir == "" {
			p.m.Localdir, err = unquote(value)
		}
	case "volume":
		if err = p.endRecord(); err != nil {
			return err
		}
		p.inList = false
		number, ok := parseNumber(strings.TrimSuffix(value, ":"), 10)
		if !ok {
			return corrupt("bad volume number in manifest line %q", line)
		}
		p.record = &VolumeRecord{Number: number}
	case "filelist":
		if err = p.endRecord(); err != nil {
			return err
		}
		if p.announced, err = strconv.Atoi(value); err != nil || p.announced < 0 {
			return corrupt("bad number of files in manifest line %q", line)
		}
		p.inList, p.listed = true, true
		p.m.Changes = nil // a resumed backup writes the whole list again
	}
	return err
}

// endRecord finishes the record that is being read, if there is one.
func (p *manifestParser) endRecord() error {
	if p.record == nil {
		return nil
	}
	if !p.first || !p.last {
		return corrupt("volume %d of the manifest lacks its first or last path", p.record.Number)
	}
	p.records = append(p.records, *p.record)
	p.record, p.first, p.last = nil, false, false
	return nil
}

func (p *manifestParser) recordLine(fields []string) (err error) {
	switch strings.ToLower(fields[0]) {
	case "startingpath":
		p.record.First, err = parsePosition(fields)
		p.first = true
	case "endingpath":
		p.record.Last, err = parsePosition(fields)
		p.last = true
	case "hash":
		err = p.record.addHash(fields)
	}
	return err
}

func (p *manifestParser) listLine(fields []string) error {
	if len(fields) != 2 {
		return corrupt("bad line in the manifest's file list: %q", fields)
	}
	path, err := parseManifestPath(fields[1])
	if err != nil {
		return err
	}
	p.m.Changes = append(p.m.Changes, Change{Status: strings.ToLower(fields[0]), Path: path})
	return nil
}

func (v *VolumeRecord) addHash(fields []string) error {
	if len(fields) != 3 {
		return corrupt("bad hash in volume %d of the manifest", v.Number)
	}
	switch strings.ToUpper(fields[1]) {
	case "SHA1":
		return setHash(&v.SHA1, fields, 20)
	case "SHA256":
		return setHash(&v.SHA256, fields, 32)
	}
	v.Other = append(v.Other, Hash{Algorithm: fields[1], Value: fields[2]})
	return nil
}

func setHash(dst *string, fields []string, size int) error {
	sum, err := hex.DecodeString(fields[2])
	if err != nil || len(sum) != size {
		return corrupt("bad %s hash %q in the manifest", fields[1], fields[2])
	}
	*dst = hex.EncodeToString(sum)
	return nil
}

func parsePosition(fields []string) (p Position, err error) {
	if len(fields) < 2 || len(fields) > 3 {
		return p, corrupt("bad position in the manifest: %q", fields)
	}
	if p.Path, err = parseManifestPath(fields[1]); err != nil {
		return p, err
	}
	if len(fields) == 3 {
		var ok bool
		if p.Block, ok = parseNumber(fields[2], 10); !ok {
			return p, corrupt("bad block number in the manifest: %q", fields)
		}
	}
	return p, nil
}

// parseManifestPath reads a path and holds it to the rules for paths, so that what
// was parsed can be written again.
func parseManifestPath(s string) (string, error) {
	path, err := unquote(s)
	if err != nil {
		return "", err
	}
	if path == "." {
		return "", nil
	}
	if path == "" {
		return "", corrupt("empty path in the manifest")
	}
	if err := CheckPath(path); err != nil {
		return "", corrupt("manifest: %v", err)
	}
	return path, nil
}

const asciiSpace = " \t\n\v\f\r"

// asciiFields splits at ASCII white space only: other white space is part of names.
func asciiFields(s string) []string {
	var fields []string
	for i := 0; i < len(s); {
		if isSpace(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && !isSpace(s[i]) {
			i++
		}
		fields = append(fields, s[from:i])
	}
	return fields
}
