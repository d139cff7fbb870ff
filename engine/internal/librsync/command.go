package librsync

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// The commands of a delta. One byte may be followed by integers of 1, 2, 4 or 8 bytes,
// whose widths it tells.
const (
	opEnd        = 0x00
	opLiteralMax = 0x40 // to here the byte is the length itself
	opLiteral8   = 0x41 // the length follows, in 1, 2, 4 (0x43) or 8 (0x44) bytes
	opCopy       = 0x45 // 4 widths of the start, for each 4 widths of the length
	opCopyEnd    = opCopy + 16
)

// intWidth returns the smallest width for n: 0 to 3 for 1, 2, 4 or 8 bytes.
func intWidth(n uint64) int {
	switch {
	case n <= math.MaxUint8:
		return 0
	case n <= math.MaxUint16:
		return 1
	case n <= math.MaxUint32:
		return 2
	}
	return 3
}

func appendInt(b []byte, n uint64, width int) []byte {
	switch width {
	case 0:
		return append(b, byte(n))
	case 1:
		return binary.BigEndian.AppendUint16(b, uint16(n))
	case 2:
		return binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return binary.BigEndian.AppendUint64(b, n)
}

// command is one step of a delta: n bytes from the delta itself, or from the old file.
// The zero command is the end.
type command struct {
	literal bool
	from, n int64
}

// commandReader reads the commands of a delta.
type commandReader struct {
	r *bufio.Reader
}

// magic reads how a delta begins.
func (c *commandReader) magic() error {
	var b [4]byte
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return c.fail(err)
	}
	if m := binary.BigEndian.Uint32(b[:]); m != deltaMagic {
		return corrupt("delta begins with %#08x", m)
	}
	return nil
}

// next reads a command. It refuses reserved ones, empty ones and negative numbers.
func (c *commandReader) next() (command, error) {
	op, err := c.r.ReadByte()
	if err != nil {
		return command{}, c.fail(err)
	}
	cmd := command{literal: op < opCopy}
	switch {
	case op == opEnd:
		return command{}, nil
	case op <= opLiteralMax:
		cmd.n = int64(op)
	case op < opCopy:
		cmd.n, err = c.int(op - opLiteral8)
	case op < opCopyEnd:
		if cmd.from, err = c.int((op - opCopy) / 4); err == nil {
			cmd.n, err = c.int((op - opCopy) % 4)
		}
	default:
		err = corrupt("delta has the reserved command %#02x", op)
	}
	if err == nil && cmd.n == 0 {
		err = corrupt("delta has an empty command")
	}
	return cmd, err
}

func (c *commandReader) int(width byte) (int64, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.r, b[8-1<<width:]); err != nil {
		return 0, c.fail(err)
	}
	n := binary.BigEndian.Uint64(b[:])
	if n > math.MaxInt64 {
		return 0, corrupt("delta has a negative number")
	}
	return int64(n), nil
}

// fail describes an error of the underlying reader, whose end can't be here.
func (c *commandReader) fail(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt("delta has no end")
	}
	return fmt.Errorf("read delta: %w", err)
}
