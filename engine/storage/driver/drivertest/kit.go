package drivertest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// Soak says that all is wanted, also what takes long.
func Soak() bool { return os.Getenv("PURSER_SOAK") != "" }

// PutText stores an object.
func PutText(ctx context.Context, b driver.Backend, name, content string) error {
	return b.Put(ctx, name, strings.NewReader(content), int64(len(content)))
}

// GetAll reads a whole object.
func GetAll(ctx context.Context, b driver.Backend, name string) (p []byte, err error) {
	r, err := b.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}

// Plant makes a file, and the folders above it.
func Plant(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// Names lists what is in a folder; one that isn't there is empty.
func Names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
