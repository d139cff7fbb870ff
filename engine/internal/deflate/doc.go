// Package deflate compresses a stream on several processors, into the formats
// that stock tools read: deflate (RFC 1951) and gzip (RFC 1952). The stream is cut
// into blocks, each compressed with what stands before it as its dictionary;
// what would not become smaller is stored as it is. The result is one ordinary deflate stream (RFC
// 1951), since each block but the last ends at a byte, with an empty stored one.
//
// A Reader decompresses any such stream, and zlib's (RFC 1950), in one goroutine.
package deflate
