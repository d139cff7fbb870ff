package pgp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Types of blobs in a keybox (GnuPG's kbx/keybox-blob.c).
const (
	blobHeader  = 1
	blobOpenPGP = 2
)

var errKeybox = errors.New("no keybox of GnuPG")

// isKeybox tells a keybox by the magic bytes in its first blob.
func isKeybox(b []byte) bool {
	return len(b) >= 12 && b[4] == blobHeader && string(b[8:12]) == "KBXf"
}

// parseKeybox returns the packets of all OpenPGP keys in a keybox. A blob is
// its length, type, version and flags; one with a key has then the offset and
// the length of the key block. It returns what is before an error, too.
func parseKeybox(b []byte) (packets []rawPacket, err error) {
	if !isKeybox(b) {
		return nil, errKeybox
	}
	for len(b) > 0 {
		if len(b) < 8 {
			return packets, fmt.Errorf("%w: cut short", errKeybox)
		}
		n := binary.BigEndian.Uint32(b)
		if n < 8 || uint64(n) > uint64(len(b)) {
			return packets, fmt.Errorf("%w: a blob of %d bytes where %d are left", errKeybox, n, len(b))
		}
		blob := b[:n]
		b = b[n:]
		if blob[4] != blobOpenPGP {
			continue // X.509, or deleted
		}
		keys, err := parseBlob(blob)
		packets = append(packets, keys...)
		if err != nil {
			return packets, err
		}
	}
	return packets, nil
}

func parseBlob(blob []byte) ([]rawPacket, error) {
	if len(blob) < 16 {
		return nil, fmt.Errorf("%w: a short blob", errKeybox)
	}
	at, n := uint64(binary.BigEndian.Uint32(blob[8:])), uint64(binary.BigEndian.Uint32(blob[12:]))
	if at+n > uint64(len(blob)) {
		return nil, fmt.Errorf("%w: a key outside of its blob", errKeybox)
	}
	return splitPackets(blob[at : at+n])
}
