package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"
)

// enough is the part of the speed of a local target that one over loopback is to
// reach, with its server on the same processors.
const enough = 0.70

const (
	bucketKey    = "AKIDBENCHMARK0000000"
	bucketSecret = "the-secret-key-of-the-benchmark"
)

// remoteTable measures a full backup and its restore over S3 and SFTP, beside
// the local target and restic over the same servers.
func remoteTable(ctx context.Context, s *settings) error {
	ctx, stop := context.WithCancel(ctx) // which ends the servers
	defer stop()
	all, err := remoteTools(ctx, s)
	if err != nil {
		return err
	}
	scale := int64(s.size)
	d := &dataset{dir: filepath.Join(s.dir, "source"), dump: 6e6 * scale, random: 32e5 * scale, texts: 200 * s.size}
	got := results{}
	for i := range s.runs {
		fmt.Fprintf(os.Stderr, "targets, run %d of %d\n", i+1, s.runs)
		if err := remoteRound(ctx, s, d, all, got); err != nil {
			return err
		}
	}
	fmt.Printf("\ntargets over loopback, the same data; CPU is the client's; medians of %d\n", s.runs)
	fmt.Printf("%-16s %12s %12s %12s %12s\n", "", "full, wall s", "CPU s", "restore s", "CPU s")
	for _, t := range all {
		f, r := median(got[full][t.name]), median(got[restore][t.name])
		fmt.Printf("%-16s %12.2f %12.2f %12.2f %12.2f\n", t.name, f.wall.Seconds(), f.cpu.Seconds(), r.wall.Seconds(), r.cpu.Seconds())
	}
	fmt.Println()
	for _, place := range []string{"s3", "sftp"} {
		mine := wall(median(got[full]["purser "+place]))
		part := wall(median(got[full]["purser file"])) / mine
		fmt.Printf("%-7s %-5s full: %.2f of the speed of the local target, at least %.2f\n", verdict(part >= enough), place, part, enough)
		if peer := wall(median(got[full]["restic "+place])); peer > 0 {
			fmt.Printf("%-7s %-5s full: %.2f of restic's time, at most 1.00\n", verdict(mine <= peer), place, mine/peer)
		}
	}
	return nil
}

func remoteRound(ctx context.Context, s *settings, d *dataset, all []tool, got results) error {
	if err := os.RemoveAll(d.dir); err != nil {
		return err
	}
	if err := d.make(); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	for i := range all {
		t := &all[i]
		if err := os.RemoveAll(t.repo); err != nil {
			return err
		}
		if err := errors.Join(t.begin(ctx, d.dir), warm(d.dir)); err != nil {
			return err
		}
		for _, step := range []string{full, restore} {
			took, err := t.step(ctx, step, d.dir)
			if err != nil {
				return err
			}
			got.add(step, t.name, took)
			fmt.Fprintf(os.Stderr, "  %-16s %-12s %7.2f s\n", step, t.name, took.wall.Seconds())
		}
		if err := errors.Join(os.RemoveAll(t.repo), os.RemoveAll(t.home), os.RemoveAll(t.target)); err != nil {
			return err
		}
	}
	return nil
}

// remoteTools starts the servers and gives purser and, if it is there, restic on
// each of them.
func remoteTools(ctx context.Context, s *settings) ([]tool, error) {
	s3, err := startS3(ctx, filepath.Join(s.dir, "s3"))
	if err != nil {
		return nil, err
	}
	ssh, err := startSSH(ctx, filepath.Join(s.dir, "ssh"))
	if err != nil {
		return nil, err
	}
	var purser, restic *tool
	for _, t := range chosen(s) {
		switch t.name {
		case "purser":
			purser = &t
		case "restic":
			restic = &t
		}
	}
	on := func(t *tool, place, repo string, env ...string) tool {
		one := *t
		one.name, one.home, one.repo = t.name+" "+place, filepath.Join(s.dir, t.name+"-"+place), repo
		one.env = append(append(one.env[:len(one.env):len(one.env)], "BACKUP_ARCHIVE_DIR="+filepath.Join(one.home, "state"), "RESTIC_CACHE_DIR="+filepath.Join(one.home, "cache")), env...)
		return one
	}
	keys := []string{"AWS_ACCESS_KEY_ID=" + bucketKey, "AWS_SECRET_ACCESS_KEY=" + bucketSecret}
	all := []tool{
		on(purser, "file", filepath.Join(s.dir, "file"), "BACKUP_DUPLICITY_URL=file://"+filepath.Join(s.dir, "file")),
		on(purser, "s3", filepath.Join(s3.dir, "purser"), append(keys, "BACKUP_DUPLICITY_URL=s3://"+s3.address+"/purser",
			"BACKUP_DUPLICITY_OPTIONS=--s3-unencrypted-connection")...),
		on(purser, "sftp", filepath.Join(ssh.dir, "purser"), "BACKUP_DUPLICITY_URL=sftp://"+ssh.user+"@"+ssh.address+"/"+filepath.Join(ssh.dir, "purser"),
			"BACKUP_DUPLICITY_OPTIONS=--ssh-options='-oIdentityFile="+ssh.key+" -oStrictHostKeyChecking=no'"),
	}
	if restic == nil {
		return all, nil
	}
	_, port, err := net.SplitHostPort(ssh.address)
	if err != nil {
		return nil, err
	}
	overSSH := on(restic, "sftp", filepath.Join(ssh.dir, "restic"), "RESTIC_REPOSITORY=sftp:"+ssh.user+"@127.0.0.1:"+filepath.Join(ssh.dir, "restic"))
	command := "sftp.command=ssh -p " + port + " -i " + ssh.key + " -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR " + ssh.user + "@127.0.0.1 -s sftp"
	with := func(args []string) []string { return append([]string{args[0], "-o", command}, args[1:]...) }
	overSSH.prepare, overSSH.backup, overSSH.restore = [][]string{with(restic.prepare[0])}, with(restic.backup), with(restic.restore)
	return append(all, on(restic, "s3", filepath.Join(s3.dir, "restic"), append(keys, "RESTIC_REPOSITORY=s3:http://"+s3.address+"/restic")...), overSSH), nil
}

// server is one that runs until the context ends.
type server struct{ address, dir, user, key string }

// serve starts a program that listens on an address, and waits for it.
func serve(ctx context.Context, address string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed in the end
	}()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", address); err == nil {
			tick.Stop()
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("%s ended at once: %s", name, strings.TrimSpace(out.String()))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeAddress is one of this machine that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func startS3(ctx context.Context, dir string) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return server{}, err
	}
	return server{address: address, dir: dir}, serve(ctx, address, []string{"ROOT_ACCESS_KEY=" + bucketKey, "ROOT_SECRET_KEY=" + bucketSecret},
		"versitygw", "--port", address, "--region", "us-east-1", "posix", dir)
}

func startSSH(ctx context.Context, dir string) (server, error) {
	address, err := freeAddress()
	if err != nil {
		return server{}, err
	}
	u, err := user.Current()
	if err != nil {
		return server{}, err
	}
	s := server{address: address, dir: filepath.Join(dir, "data"), user: u.Username, key: filepath.Join(dir, "key")}
	if err := errors.Join(os.MkdirAll(s.dir, 0o755), os.MkdirAll("/run/sshd", 0o755)); err != nil {
		return s, err
	}
	for _, file := range []string{s.key, filepath.Join(dir, "host")} {
		if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput(); err != nil {
			return s, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	return s, serve(ctx, address, nil, "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-o", "ListenAddress="+address, "-o", "HostKey="+filepath.Join(dir, "host"),
		"-o", "AuthorizedKeysFile="+s.key+".pub", "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PermitRootLogin=yes", "-o", "PidFile=none",
		"-o", "Subsystem=sftp internal-sftp")
}
