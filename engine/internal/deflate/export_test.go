package deflate

// InGo makes z do without assembler.
func (z *Reader) InGo() *Reader {
	z.assembler = false
	return z
}
