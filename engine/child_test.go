package engine_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
)

// child does one operation in a process of its own, for tests that kill it or
// take rights away from it. The arguments are what to do, and that one's.
func child(args []string) int {
	err := fmt.Errorf("unknown operation %q", args)
	switch args[0] {
	case "backup":
		err = childBackup(args[1], args[2], args[3], args[4])
	case "restore":
		err = childRestore(args[1], args[2], args[3])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func childBackup(target, state, source, at string) error {
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return err
	}
	r, err := childOpen(target, state, source, time.Unix(seconds, 0))
	if err != nil {
		return err
	}
	src, err := engine.OpenDir(source, nil)
	if err != nil {
		return err
	}
	_, err = r.Backup(context.Background(), src, engine.BackupOptions{})
	return err
}

func childRestore(target, state, dest string) error {
	r, err := childOpen(target, state, "", time.Now())
	if err != nil {
		return err
	}
	_, err = r.Restore(context.Background(), dest, engine.RestoreOptions{})
	return err
}

func childOpen(target, state, source string, now time.Time) (*engine.Repository, error) {
	store, err := storage.Open(context.Background(), "file://"+target, storage.Options{Retries: -1})
	if err != nil {
		return nil, err
	}
	return engine.Open(context.Background(), store, engine.Options{
		ArchiveDir: state, NoEncryption: true, VolumeSize: 64 << 10, Localdir: source, Rand: rand.Reader,
		Now:  func() time.Time { return now },
		Warn: func(msg string, args ...any) { fmt.Fprintln(os.Stderr, append([]any{msg}, args...)...) },
	})
}
