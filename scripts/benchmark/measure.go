package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A sample is what one step of one tool took.
type sample struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory, of its largest process
	repo      int64 // bytes of the repository after it
	added     int64 // bytes by which the step has made it larger
}

// command runs one command of a tool, with nothing of this machine's settings
// for it in its environment.
func (t *tool) command(ctx context.Context, source string, args []string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = source
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.home, "LANG=C.UTF-8", "TMPDIR=" + t.home}, t.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// begin makes a new repository.
func (t *tool) begin(ctx context.Context, source string) error {
	if err := os.RemoveAll(t.home); err != nil {
		return err
	}
	for _, dir := range []string{t.home, t.repo, filepath.Join(t.home, "gnupg")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for _, args := range t.prepare {
		if cmd, out := t.command(ctx, source, args); cmd.Run() != nil {
			return fmt.Errorf("%s can't prepare its repository: %s", t.name, bytes.TrimSpace(out.Bytes()))
		}
	}
	return nil
}

// run measures one step.
func (t *tool) run(ctx context.Context, dir string, args []string) (sample, error) {
	before, err := size(t.repo)
	if err != nil {
		return sample{}, err
	}
	syscall.Sync() // what others have written is not this step's
	cmd, out := t.command(ctx, dir, args)
	began := time.Now()
	err = cmd.Run()
	s := sample{wall: time.Since(began)}
	if err != nil {
		return s, fmt.Errorf("%s: %v: %w\n%s", t.name, args, err, bytes.TrimSpace(out.Bytes()))
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	s.peak = cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	s.repo, err = size(t.repo)
	s.added = s.repo - before
	return s, err
}

// back restores and compares. What is restored stays until the round is over:
// ext4 is slow to make new files where many have been deleted a minute ago,
// which would hit the next tool.
func (t *tool) back(ctx context.Context, source string) (sample, error) {
	dir, above := source, filepath.Dir(t.target)
	if t.inside {
		dir, above = t.target, t.target
	}
	if err := os.MkdirAll(above, 0o700); err != nil {
		return sample{}, err
	}
	s, err := t.run(ctx, dir, t.restore)
	if err != nil {
		return s, err
	}
	if err := sameTree(source, t.target); err != nil {
		return s, fmt.Errorf("%s has restored something else: %w", t.name, err)
	}
	return s, nil
}

// sameTree compares names, types, permissions, times and contents.
func sameTree(a, b string) error {
	count := [2]int{}
	for i, dir := range []string{a, b} {
		err := filepath.WalkDir(dir, func(_ string, _ fs.DirEntry, err error) error {
			count[i]++
			return err
		})
		if err != nil {
			return err
		}
	}
	if count[0] != count[1] {
		return fmt.Errorf("%d objects, not %d", count[1], count[0])
	}
	buf := [2][]byte{make([]byte, 128<<10), make([]byte, 128<<10)}
	return filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(a, path)
		if err != nil {
			return err
		}
		other := filepath.Join(b, rel)
		x, err := d.Info()
		if err != nil {
			return err
		}
		y, err := os.Lstat(other)
		if err != nil {
			return err
		}
		if x.Mode() != y.Mode() && rel != "." || !x.IsDir() && (x.Size() != y.Size() || x.ModTime().Unix() != y.ModTime().Unix()) {
			return fmt.Errorf("%s has another mode, size or time", rel)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return sameContent(path, other, buf)
	})
}

func sameContent(a, b string, buf [2][]byte) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	for {
		n, errF := io.ReadFull(f, buf[0])
		m, errG := io.ReadFull(g, buf[1])
		if !bytes.Equal(buf[0][:n], buf[1][:m]) {
			return fmt.Errorf("%s has another content", b)
		}
		if errF == io.EOF || errors.Is(errF, io.ErrUnexpectedEOF) {
			return nil
		}
		if err := errors.Join(errF, errG); err != nil {
			return err
		}
	}
}

// warm reads the whole tree, so that it is in memory.
func warm(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(io.Discard, f)
		return err
	})
}

// median of each figure by itself.
func median(samples []sample) sample {
	mid := func(f func(sample) int64) int64 {
		var v []int64
		for _, s := range samples {
			v = append(v, f(s))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return sample{
		wall: time.Duration(mid(func(s sample) int64 { return int64(s.wall) })),
		cpu:  time.Duration(mid(func(s sample) int64 { return int64(s.cpu) })),
		peak: mid(func(s sample) int64 { return s.peak }),
		repo: mid(func(s sample) int64 { return s.repo }), added: mid(func(s sample) int64 { return s.added }),
	}
}

// free refuses to begin without room on the disk.
func free(dir string, need int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("look at the free space of %s: %w", dir, err)
	}
	if have := int64(st.Bavail) * st.Bsize; have < need {
		return fmt.Errorf("%s has %d MB free, and %d are needed", dir, have>>20, need>>20)
	}
	return nil
}
