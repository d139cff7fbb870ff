package daemon

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestLockKeepsOutASecondHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.lock")
	held := func() bool {
		t.Helper()
		locked, err := isLocked(path)
		if err != nil {
			t.Fatal(err)
		}
		return locked
	}
	if held() {
		t.Error("a lock that isn't there is held")
	}
	first, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !held() {
		t.Error("a held lock is not seen")
	}
	if _, err := lockFile(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second holder: %v", err)
	}
	first.unlock()
	if held() {
		t.Error("a released lock is held")
	}
	again, err := lockFile(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	again.unlock()
}
