package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// ErrNoGo is returned where BACKUP_GONOGO says that now is no time for a run.
var ErrNoGo = errors.New("BACKUP_GONOGO says no")

const (
	// goNoGoTimeout is how long an answer may take; none is no.
	goNoGoTimeout = time.Minute
	// goNoGoText is how much of an answer is told on.
	goNoGoText = 200
)

// goNoGo asks whether a run may begin. Whoever can't be asked has said no.
func (d *Daemon) goNoGo(ctx context.Context) error {
	ask := d.cfg.GoNoGo
	if ask.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, goNoGoTimeout)
	defer cancel()
	var err error
	if ask.URL != "" {
		err = askServer(ctx, ask.URL)
	} else {
		err = askProgram(ctx, ask.Command)
	}
	if err == nil {
		d.log.Debug("BACKUP_GONOGO says go")
		return nil
	}
	return withHint(fmt.Errorf("%w: %w", ErrNoGo, err), "`purser run --force` doesn't ask")
}

// askServer gets a URL, which may hold a password: no error shows it.
func askServer(ctx context.Context, target string) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return errors.New("it is not a URL")
	}
	res, err := http.DefaultClient.Do(req)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return fmt.Errorf("ask %s: %w", req.URL.Host, wrapped.Err)
	}
	if err != nil {
		return err
	}
	defer func() { err = join(err, res.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(res.Body, goNoGoText))
	if res.StatusCode/100 == 2 {
		return nil // whatever it says
	}
	if err != nil {
		text = nil
	}
	return fmt.Errorf("%s answers %s%s", req.URL.Host, res.Status, spoken(text))
}

// askProgram runs a program. It gets none of purser's environment, which holds
// secrets.
func askProgram(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("run %s: %w", command[0], ctx.Err())
	}
	return fmt.Errorf("run %s: %w%s", command[0], err, spoken(out.Bytes()))
}

// spoken is the beginning of what was said, on one line.
func spoken(text []byte) string {
	words := strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), goNoGoText)]), "")), " ")
	if words == "" {
		return ""
	}
	return ": " + words
}
