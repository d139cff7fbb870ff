package sftp

import (
	"strings"
	"time"

	"github.com/pkg/sftp"
)

const (
	// smallPacket is what every server takes in one packet, in bytes.
	smallPacket = 32 << 10
	// largePacket is the most that OpenSSH takes, since it tells its limits: an
	// eighth of the packets and answers for both sides to handle.
	largePacket = 255 << 10
	// nearby is how soon a server answers that is not far away.
	nearby = 5 * time.Millisecond
)

// newSession chooses how large a client's packets are.
func newSession(w *wire, c *sftp.Client) (*session, error) {
	s := &session{wire: w, client: c, packet: smallPacket}
	_, limits := c.HasExtension("limits@openssh.com")
	if limits && strings.HasPrefix(string(w.client.ServerVersion()), "SSH-2.0-OpenSSH_") {
		s.packet = largePacket
	}
	return s, sftp.MaxPacketUnchecked(s.packet)(c)
}

// packets is how many packets of an upload may be unanswered. Together they are as
// long as the window that OpenSSH gives; a server that is near doesn't need
// that, and has less to do with half of it.
func (s *session) packets(near bool) int {
	window := 2 << 20
	if near {
		window /= 2
	}
	return window / s.packet
}
