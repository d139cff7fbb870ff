//go:build !amd64

package deflate

func hasAssembler() bool { return false }

// unpackMost leaves all to unpackFast.
func (z *Reader) unpackMost() {}
