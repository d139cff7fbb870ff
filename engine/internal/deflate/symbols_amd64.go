package deflate

import "golang.org/x/sys/cpu"

// inputSlack is how many bytes of input unpackSymbols wants ahead of it: a symbol
// takes two refills of eight bytes, the second up to seven bytes further on.
const inputSlack = 16

// unpackSymbols is unpackFast in assembler, for literals, and lengths with their
// distances. It stops before anything else, such as the end of the block or what
// has no meaning, and where input or output come near to their end. It takes BMI2.
//
//go:noescape
func unpackSymbols(c *codes, buf []byte, pos int, out []byte, w int, bits uint64, n uint) (newPos, newW int, newBits uint64, newN uint)

// hasAssembler reports whether this processor can do what unpackSymbols takes.
func hasAssembler() bool { return cpu.X86.HasBMI2 }

// unpackMost unpacks what comes before a symbol that unpackFast must look at.
func (z *Reader) unpackMost() {
	last, top := z.end-inputSlack, len(z.out)-slack
	if z.assembler && z.pos <= last {
		z.pos, z.write, z.bits, z.n = unpackSymbols(&z.codes, z.buf[:last], z.pos, z.out[:top], z.write, z.bits, z.n)
	}
}
