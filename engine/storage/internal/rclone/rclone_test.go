package rclone_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/program"
	"github.com/purser-backup/purser/engine/storage/internal/rclone"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func open(t *testing.T, l rclone.Location, o rclone.Options, limit *network.Limit) driver.Backend {
	t.Helper()
	b, err := rclone.Open(l, o, program.Options{Dir: t.TempDir(), Home: t.TempDir()}, limit, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// env makes variables of NAME, VALUE, NAME, VALUE.
func env(pairs ...string) map[string]secret.String {
	m := map[string]secret.String{}
	for i := 0; i < len(pairs); i += 2 {
		m["RCLONE_CONFIG_"+pairs[i]] = secret.New(pairs[i+1])
	}
	return m
}

func minio(s *servertest.S3) rclone.Options {
	return rclone.Options{Env: env("MINIO_TYPE", "s3", "MINIO_PROVIDER", "Minio", "MINIO_ENDPOINT", "http://"+s.Addr(), "MINIO_REGION", "us-east-1",
		"MINIO_ACCESS_KEY_ID", servertest.AccessKey, "MINIO_SECRET_ACCESS_KEY", servertest.SecretKey)}
}

// One round of everything on each kind of remote, one that can rename, and one of
// buckets; and the whole contract, where there is time.
func TestRemotes(t *testing.T) {
	s := servertest.MinIO(t, nil)
	drivertest.Plant(t, filepath.Join(s.Dir, "backups", "x"), nil) // makes the bucket
	if drivertest.Soak() {
		t.Run("contract, folder", testContractFolder)
		t.Run("contract, bucket", func(t *testing.T) { testContractBucket(t, s) })
	}
	dir := t.TempDir()
	config := filepath.Join(t.TempDir(), "rclone.conf")
	drivertest.Plant(t, config, []byte("[LOC]\ntype = local\n"))
	for kind, c := range map[string]struct {
		l rclone.Location
		o rclone.Options
	}{
		"folder": {rclone.Location{Remote: "LOC", Dir: dir + "/not/there"}, rclone.Options{Config: config}},
		"bucket": {rclone.Location{Remote: "MINIO", Dir: "backups/not/there"}, minio(s)},
	} {
		t.Run(kind, func(t *testing.T) {
			b := open(t, c.l, c.o, nil)
			if list, err := b.List(t.Context(), ""); err != nil || len(list) != 0 {
				t.Errorf("before the first: %v, %v", list, err)
			}
			const name = `st*r [a] $HOME 'ü`
			for _, content := range []string{"first", "", strings.Repeat("0123456789", 100000)} {
				if err := drivertest.PutText(t.Context(), b, name, content); err != nil {
					t.Fatal(err)
				}
				if p, err := drivertest.GetAll(t.Context(), b, name); err != nil || string(p) != content {
					t.Errorf("got %d bytes of %d, %v", len(p), len(content), err)
				}
			}
			list, err := b.List(t.Context(), "st*")
			if err != nil || len(list) != 1 || list[0].Name != name || list[0].Size != 1000000 || time.Since(list[0].ModTime).Abs() > time.Hour {
				t.Errorf("list: %+v, %v", list, err)
			}
			r, err := b.Get(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("close before the end: %v", err)
			}
			for range 2 {
				if err := b.Delete(t.Context(), name); err != nil {
					t.Error(err)
				}
			}
			if _, err := drivertest.GetAll(t.Context(), b, name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the delete: %v", err)
			}
		})
	}
	if got := drivertest.Names(t, filepath.Join(dir, "not", "there")); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

func testContractFolder(t *testing.T) {
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		dir := filepath.Join(t.TempDir(), "de ep")
		return drivertest.Target{
			Costly: true, Listed: 5001,
			MixedReads: true, // rclone takes the old object away before it renames the new one
			Open: func(t *testing.T) driver.Backend {
				return open(t, rclone.Location{Remote: "LOC", Dir: dir + "/"}, rclone.Options{Env: env("LOC_TYPE", "local")}, nil)
			},
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(dir, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

func testContractBucket(t *testing.T, s *servertest.S3) {
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		l := rclone.Location{Remote: "MINIO", Dir: fmt.Sprintf("backups/t%d", count.Add(1))}
		return drivertest.Target{
			Costly: true, Listed: 20,
			MixedReads: true, // size and bytes are asked for one after the other
			Open:       func(t *testing.T) driver.Backend { return open(t, l, minio(s), nil) },
		}
	})
}

// What broke off is not seen, and goes after two days.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{".purser-dead": 49 * time.Hour, ".purser-alive": 47 * time.Hour, "old": 1000 * time.Hour} {
		path, at := filepath.Join(dir, name), time.Now().Add(-age)
		drivertest.Plant(t, path, nil)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, rclone.Location{Remote: "LOC", Dir: dir}, rclone.Options{Env: env("LOC_TYPE", "local")}, nil)
	if err := drivertest.PutText(t.Context(), b, "new", "x"); err != nil {
		t.Fatal(err)
	}
	if got := drivertest.Names(t, dir); len(got) != 3 || got[0] != ".purser-alive" {
		t.Errorf("left: %q", got)
	}
	if list, err := b.List(t.Context(), ""); err != nil || len(list) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
}

func TestBadInput(t *testing.T) {
	s := servertest.MinIO(t, nil)
	drivertest.Plant(t, filepath.Join(s.Dir, "backups", "x"), nil)
	file := filepath.Join(t.TempDir(), "file")
	drivertest.Plant(t, file, nil)
	with := func(o rclone.Options, name, value string) rclone.Options {
		o.Env["RCLONE_CONFIG_"+name] = secret.New(value)
		return o
	}
	bucket := rclone.Location{Remote: "MINIO", Dir: "backups/x"}
	for name, c := range map[string]struct {
		l         rclone.Location
		o         rclone.Options
		hint      string
		is        error
		transient bool
	}{
		"remote":   {rclone.Location{Remote: "NONE", Dir: "x"}, rclone.Options{}, "no remote NONE", nil, false},
		"password": {bucket, with(minio(s), "MINIO_SECRET_ACCESS_KEY", "wrong secret"), "check the credentials", fs.ErrPermission, false},
		"host":     {bucket, with(minio(s), "MINIO_ENDPOINT", "http://no-such-host.invalid"), "check the host", nil, false},
		"port":     {bucket, with(minio(s), "MINIO_ENDPOINT", "http://127.0.0.1:1"), "nothing listens", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := drivertest.PutText(t.Context(), open(t, c.l, c.o, nil), "object", "x")
			if err == nil || !strings.Contains(hint.Text(err), c.hint) || driver.IsPermanent(err) == c.transient || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, permanent %v, want the hint %q", err, driver.IsPermanent(err), c.hint)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "wrong secret") || strings.Contains(text, servertest.SecretKey) {
				t.Errorf("the password is in %s", text)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	const rate, size = 1 << 20, 2 << 20
	b := open(t, rclone.Location{Remote: "LOC", Dir: t.TempDir()}, rclone.Options{Env: env("LOC_TYPE", "local")}, network.NewLimit(rate))
	began := time.Now()
	if err := drivertest.PutText(t.Context(), b, "object", strings.Repeat("x", size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("took %v for %d bytes at %d bytes per second", took, size, rate)
	}
}
