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

// killed makes one backup; args are target, state, source and time.
func killed(args []string) int {
	if err := killedBackup(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func killedBackup(args []string) error {
	seconds, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	ctx := context.Background()
	store, err := storage.Open(ctx, "file://"+args[0], storage.Options{Retries: -1})
	if err != nil {
		return err
	}
	r, err := engine.Open(ctx, store, engine.Options{
		ArchiveDir: args[1], NoEncryption: true, VolumeSize: 64 << 10, Localdir: args[2], Rand: rand.Reader,
		Now: func() time.Time { return time.Unix(seconds, 0) }, Warn: func(string, ...any) {},
	})
	if err != nil {
		return err
	}
	src, err := engine.OpenDir(args[2], nil)
	if err != nil {
		return err
	}
	_, err = r.Backup(ctx, src, engine.BackupOptions{})
	return err
}
