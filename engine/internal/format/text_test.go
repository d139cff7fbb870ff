package format_test

import (
	"fmt"
	"strconv"
)

func itoa(n int) string { return strconv.Itoa(n) }

// octal is a number as it stands in a tar header's size.
func octal(n int) string { return fmt.Sprintf("%011o\x00", n) }

// rename puts another name into a tar header, also one that archive/tar won't write.
func rename(header []byte, name string) {
	clear(header[:100])
	copy(header, name)
	copy(header[148:], "        ")
	sum := 0
	for _, c := range header[:512] {
		sum += int(c)
	}
	copy(header[148:156], octal(sum)[5:])
}
