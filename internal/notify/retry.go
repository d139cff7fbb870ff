package notify

import (
	"context"
	"slices"
	"time"
)

// again calls try until it succeeds, once more than there are pauses.
func again(ctx context.Context, pauses []time.Duration, try func() error) error {
	err := try()
	for _, pause := range pauses {
		if err == nil {
			return nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		err = try()
	}
	return err
}

func sortByLength(list []string) {
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
}
