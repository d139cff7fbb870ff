package sftp

import (
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// OpenSSH gets large packets, a server that doesn't tell what it takes small ones.
func TestPackets(t *testing.T) {
	ssh, rclone := servertest.SSHD(t), servertest.RcloneServe(t, "sftp")
	for _, c := range []struct {
		l    Location
		o    Options
		size int
		near int
	}{
		{Location{User: ssh.User, Port: ssh.Port}, Options{IdentityFiles: []string{ssh.KeyFile}, KnownHosts: []string{ssh.KnownHosts}}, largePacket, 4},
		{Location{User: rclone.User, Port: rclone.Port}, Options{Password: secret.New(rclone.Password), KnownHosts: []string{rclone.KnownHosts}}, smallPacket, 32},
	} {
		c.l.Host = "127.0.0.1"
		b, err := Open(t.Context(), c.l, c.o, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		err = b.line.do(t.Context(), func(s *session) error {
			if s.packet != c.size || s.packets(true) != c.near || s.packets(false) < 2*c.near {
				t.Errorf("%d packets of %d bytes, want %d of %d; far away %d", s.packets(true), s.packet, c.near, c.size, s.packets(false))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
