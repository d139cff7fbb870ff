package schedule

import (
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
	"strings"
)

// hash spreads what has different identities over time. It is the CRC-32 of
// the identity, as with Turku.
type hash uint32

func hashOf(id string) hash { return hash(crc32.ChecksumIEEE([]byte(id))) }

// between gives a value from a to b, both included.
func (h hash) between(a, b int) int { return int(uint32(h)%uint32(b-a+1)) + a }

// field is what H may stand for in a field of six.
type field struct{ shift, lo, hi int }

// hashedFields are the bounds of H in the order of the fields. The day of the
// month ends at 28, so that every month has it. A weekday may be 7, which is Sunday.
func hashedFields() []field {
	return []field{{0, 0, 59}, {0, 0, 59}, {1, 0, 23}, {2, 1, 28}, {3, 1, 12}, {4, 0, 7}}
}

// token is H, H(1-5), H/2, H(1-5)/2, and R for what is random.
var token = regexp.MustCompile(`^([HhRr])(?:\((\d+)-(\d+)\))?(?:/(\d+))?$`)

func hashed(fields []string) bool {
	for _, f := range fields {
		for _, item := range strings.Split(f, ",") {
			if token.MatchString(item) {
				return true
			}
		}
	}
	return false
}

// expand replaces each H by what it stands for.
func (h hash) expand(expr string, fields []string) ([]string, error) {
	bounds := hashedFields()
	out := make([]string, len(fields))
	for i, f := range fields {
		n := i + len(bounds) - len(fields)
		items := strings.Split(f, ",")
		for j, item := range items {
			m := token.FindStringSubmatch(item)
			if m == nil {
				continue
			}
			value, err := h.value(m, bounds[n])
			if err != nil {
				return nil, &Error{Expr: expr, Field: i + 1, Name: fieldNames[n], Err: fmt.Errorf("%q: %w", item, err), hint: hashHint}
			}
			if fieldNames[n] == "day of week" && value == "7" {
				value = "0"
			}
			items[j] = value
		}
		out[i] = strings.Join(items, ",")
	}
	return out, nil
}

const hashHint = "write H, H(8-16), H/15 or H(0-29)/10 within the bounds of the field"

// value gives what one H stands for; m are the parts of the token.
func (h hash) value(m []string, f field) (string, error) {
	if strings.EqualFold(m[1], "R") {
		return "", errors.New("a random time would be another after each start; H is one that stays")
	}
	lo, hi := f.lo, f.hi
	if m[2] != "" {
		var err1, err2 error
		lo, err1 = strconv.Atoi(m[2])
		hi, err2 = strconv.Atoi(m[3])
		if errors.Join(err1, err2) != nil || lo < f.lo || hi > max(f.hi, lastDay(f)) || lo > hi {
			return "", errors.New("the range is not one of this field")
		}
	}
	bits := uint32(h) >> f.shift
	if m[4] == "" {
		return strconv.Itoa(int(bits%uint32(hi-lo+1)) + lo), nil
	}
	step, err := strconv.Atoi(m[4])
	if err != nil || step < 1 || step > hi-lo+1 {
		return "", errors.New("the step is out of range")
	}
	// One value of step+1 comes from Jenkins' ancestor in Python. The last would
	// leave out a turn, and is the first here.
	start := int(bits%uint32(step+1)) % step
	return fmt.Sprintf("%d-%d/%d", lo+start, hi, step), nil
}

// lastDay lets a user name days that H alone doesn't choose.
func lastDay(f field) int {
	if f.hi == 28 {
		return 31
	}
	return 0
}
