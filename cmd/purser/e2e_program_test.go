package main_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where purser runs in its own image, the programs run in one-shot containers of
// an image that the operator names; of them nothing is left.
func TestProgramsInContainers(t *testing.T) {
	t.Parallel()
	const image, secret = "rsync:3", "the-target's-own-password"
	w := newWorld(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rsyncd.conf"), []byte("use chroot = no\nuid = root\ngid = root\n[data]\npath = /data\nread only = false\n"+
		"auth users = joe\nsecrets file = /conf/secrets\n"), 0o644)
	write(t, filepath.Join(dir, "secrets"), []byte("joe:"+secret+"\n"), 0o600)
	write(t, filepath.Join(dir, "serve"), []byte("#!/bin/sh\nexec rclone serve webdav --addr :8080 --user joe --pass \""+secret+"\" /data\n"), 0o755)
	for name, c := range map[string]struct {
		options []string // of the server's container
		env     func(p *purser, address string) *purser
	}{
		"rsync": {[]string{"-v", dir + "/rsyncd.conf:/etc/rsyncd.conf"}, func(p *purser, address string) *purser {
			return p.with("BACKUP_DUPLICITY_URL=rsync://joe@"+address+"::data/deep/folder", "RSYNC_PASSWORD="+secret, "BACKUP_RSYNC_IMAGE="+image)
		}},
		"rclone": {[]string{"--entrypoint", "/conf/serve"}, func(p *purser, address string) *purser {
			obscured := strings.TrimSpace(w.command(nil, "rclone", "obscure", secret).run().stdout)
			config := filepath.Join(t.TempDir(), "rclone.conf")
			write(t, config, []byte("[dav]\ntype = webdav\nvendor = other\nurl = http://"+address+":8080\nuser = joe\npass = "+obscured+"\n"), 0o600)
			p.mounts = append(p.mounts, config+":/opt/backup/rclone.conf:ro")
			return p.with("BACKUP_DUPLICITY_URL=rclone://dav:/deep/folder", "BACKUP_RCLONE_IMAGE="+image)
		}},
	} {
		if name == "rclone" && os.Getenv("PURSER_SOAK") == "" {
			continue // each call is a container; what differs is tested without
		}
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			server := w.container(name, image, append(c.options, "-v", dir+":/conf", "-v", data+":/data")...)
			address := w.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", server)
			p := c.env(w.purser("named volume"), address).with("BACKUP_MODULE_DATABASE=false")
			file := filepath.Join(p.source, "volumes/file")
			write(t, file, noise(rand.New(rand.NewPCG(1, 2)), 1<<20), 0o600)
			p.must("backup")
			wantSame(t, "the restore", snapshot(t, p.source), snapshot(t, p.fresh().restored()))
			if left := w.docker("ps", "-aq", "--filter", "label=io.purser.role=tool", "--filter", "label=io.purser.instance="+w.stack); left != "" {
				t.Errorf("containers are left: %s", left)
			}
			if entries, err := os.ReadDir(filepath.Join(data, "deep/folder")); err != nil || len(entries) < 3 {
				t.Errorf("on the target: %v, %v", entries, err)
			}
			r := p.with("BACKUP_RSYNC_IMAGE=busybox", "BACKUP_RCLONE_IMAGE=busybox").run("sets")
			wantRefusal(t, r, 1, "name an image with a shell and "+name)
		})
	}
}
