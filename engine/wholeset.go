package engine

import (
	"fmt"

	"github.com/purser-backup/purser/engine/internal/format"
)

// namesAllOf refuses a manifest that has lost records: a volume lies on the
// target that it doesn't name. Beyond the last one that is no damage where
// duplicity resumed a set with larger volumes; its manifest is whole then.
func (s *Set) namesAllOf(m *format.Manifest) error {
	named, highest, ours := map[int]bool{}, 0, false
	for _, v := range m.Volumes {
		named[v.Number] = true
		highest = max(highest, v.Number)
		ours = ours || v.SHA256 != ""
	}
	for n, volume := range s.volumes {
		if !named[n] && (n < highest || ours || !m.Ended) {
			return corrupt(s.manifest.String(), "it doesn't name %s, which is on the target", volume)
		}
	}
	return nil
}

// holdsAllOf refuses a set of which volumes are missing on the target.
func (s *Set) holdsAllOf(m *format.Manifest) error {
	for _, v := range m.Volumes {
		if _, ok := s.volumes[v.Number]; !ok {
			return missingVolume(s, v.Number)
		}
	}
	return nil
}

func missingVolume(s *Set, number int) error {
	return corrupt(fmt.Sprintf("volume %d of %s", number, s.manifest), "missing on the target")
}
