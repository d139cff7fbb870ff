// Purser finds the databases and other stateful services on a Docker Engine,
// dumps them, and keeps encrypted, incremental, duplicity-compatible backups.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	// The image is built from scratch: time zones and CA roots travel in the
	// binary, and the system's own are used where there are any.
	_ "time/tzdata"

	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/purser-backup/purser/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a clean stop, a second one ends the process.
	context.AfterFunc(ctx, stop)
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "duplicity" {
		args = append([]string{"duplicity"}, args...)
	}
	os.Exit(cli.Run(ctx, args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
