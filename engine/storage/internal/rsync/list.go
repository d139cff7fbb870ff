package rsync

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// listed is a line of a list: kind and rights, size, time, name.
var listed = regexp.MustCompile(`(?m)^(.)\S{9}\S? +([0-9,.]+) ([0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}) (.*)$`)

// parseList reads the regular files of what rsync --list-only prints.
func parseList(text []byte) ([]driver.Info, error) {
	var list []driver.Info
	for _, m := range listed.FindAllSubmatch(text, -1) {
		if m[1][0] != '-' {
			continue
		}
		size, err := strconv.ParseInt(string(m[2]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the list of rsync has the size %q", m[2])
		}
		at, err := time.Parse("2006/01/02 15:04:05", string(m[3])) // in UTC, which the program is told
		if err != nil {
			return nil, fmt.Errorf("the list of rsync has the time %q", m[3])
		}
		list = append(list, driver.Info{Name: unescape(m[4]), Size: size, ModTime: at})
	}
	return list, nil
}

// escaped is how rsync prints a byte that can't be printed.
var escaped = regexp.MustCompile(`\\#([0-7]{3})`)

func unescape(name []byte) string {
	return string(escaped.ReplaceAllFunc(name, func(m []byte) []byte {
		n, err := strconv.ParseUint(string(m[2:]), 8, 8)
		if err != nil {
			return m // above 255: rsync doesn't print that
		}
		return []byte{byte(n)}
	}))
}
