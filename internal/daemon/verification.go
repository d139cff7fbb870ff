package daemon

import (
	"path/filepath"
	"time"

	"github.com/purser-backup/purser/internal/config"
)

// verification is how the last check of the target went.
type verification struct {
	Version int       `json:"version"`
	Ended   time.Time `json:"ended"`
	Whole   bool      `json:"whole"`
}

func (s state) verificationPath() string { return filepath.Join(s.dir, "verification.json") }

func (s state) loadVerification() (verification, error) {
	var v verification
	_, err := load(s.verificationPath(), &v)
	return v, err
}

// NoteVerification remembers how a check of the target went, for the metrics.
func NoteVerification(cfg *config.Config, ended time.Time, whole bool) error {
	s := newState(cfg.ArchiveDir)
	if err := s.create(); err != nil {
		return err
	}
	return save(s.verificationPath(), verification{Version: stateVersion, Ended: ended, Whole: whole})
}
