// Package storage opens the places where backups are kept. Callers hold a
// *Store; how each kind of place works is hidden in drivers below.
package storage

import (
	"context"
	"crypto/md5" // names duplicity's archive directory; nothing rests on its strength
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/file"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// scheme is one kind of target.
type scheme struct {
	name    string
	example string // for messages; empty for another spelling of one before it
	// open takes what follows the scheme in the URL; nil is a scheme of
	// duplicity's that this version does not speak.
	open func(ctx context.Context, rest string, o Options) (driver.Backend, error)
}

// schemes lists every kind of target that duplicity's users may have.
func schemes() []scheme {
	return []scheme{
		{name: "file", example: "file:///path", open: openFile},
		{name: "s3", example: "s3://host/bucket/prefix", open: openS3},
		{name: "boto3+s3", example: "boto3+s3://bucket/prefix", open: openS3Bucket},
		{name: "s3+http", open: openS3Bucket}, // of duplicity before 2.0
		{name: "sftp", example: "sftp://user@host/folder", open: openSFTP},
		{name: "scp", open: openSFTP}, // of which duplicity makes SFTP, too
		{name: "ftp", example: "ftp://user@host/folder", open: openFTP},
		{name: "ftps", example: "ftps://user@host/folder", open: openFTPS},
		{name: "ftpes", open: openFTPS},
		{name: "webdav", example: "webdav://user@host/folder", open: openWebDAV},
		{name: "webdavs", example: "webdavs://user@host/folder", open: openWebDAVS},
		{name: "rsync", example: "rsync://user@host::module/folder", open: openRsync},
		{name: "rclone", example: "rclone://remote:path", open: openRclone},
		{name: "multi"},
	}
}

// Open opens the target that rawURL names, written as for duplicity. The target
// may be empty or not exist yet; it is made at the first Put. An unknown scheme,
// a malformed URL, and a place that can't be a target are errors with a hint
// (Hint() string). The context governs only the opening.
func Open(ctx context.Context, rawURL string, o Options) (*Store, error) {
	fail := func(err error, hint string) error {
		return &Error{Op: "open", URL: Redact(rawURL), Err: err, hint: hint}
	}
	name, rest, ok := strings.Cut(rawURL, ":")
	if !ok || name == "" || strings.ContainsAny(name, "/@ ") {
		return nil, fail(errors.New("the target is not a URL"), "write it as "+examples())
	}
	name = strings.ToLower(name)
	all := schemes()
	i := slices.IndexFunc(all, func(s scheme) bool { return s.name == name })
	if i < 0 {
		return nil, fail(fmt.Errorf("unknown kind of target %q", name), "supported are: "+examples())
	}
	if all[i].open == nil {
		return nil, fail(fmt.Errorf("targets of the kind %q are not supported yet", name), "supported are: "+examples())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	limit := o.Limit
	if limit == nil {
		limit = NewLimit(o.UploadRate)
	}
	o.dialer = network.Dialer{Stall: o.StallTimeout, Limit: limit}
	backend, err := all[i].open(ctx, rest, o)
	if err != nil {
		return nil, fail(err, "")
	}
	s := New(backend, rawURL, o)
	if all[i].name == "file" { // the others are limited where they send
		s.limit = limit
	}
	return s, nil
}

// Limit is a limit on what is sent, which several Stores may share.
type Limit = network.Limit

// NewLimit limits all uploads together; rate is as UploadRate.
func NewLimit(rate func() int64) *Limit { return network.NewChangingLimit(rate) }

// ID is that of a Store on the target with this URL.
func ID(rawURL string) string {
	sum := md5.Sum([]byte(rawURL))
	return hex.EncodeToString(sum[:])
}

// examples names the supported schemes.
func examples() string {
	var list []string
	for _, s := range schemes() {
		if s.example != "" {
			list = append(list, s.example)
		}
	}
	return strings.Join(list, ", ")
}

func openFile(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	path, err := filePath(rest)
	if err != nil {
		return nil, err
	}
	if o.RequireMount {
		return file.OpenMounted(ctx, path, o.Now)
	}
	return file.Open(ctx, path, o.Now)
}

// filePath gives the path of a file URL from what follows "file:". As with
// duplicity, file:///abs and file:/abs are absolute, all that follows the two
// slashes of file://rel/dir is relative to the working directory, and %XX
// stands for a byte (a % without two hex digits for itself). Where duplicity
// would go somewhere the user hardly meant, the URL is refused: it cuts a path
// at ? and #, and takes four slashes for a relative path.
func filePath(rest string) (string, error) {
	path := strings.TrimPrefix(rest, "//")
	switch {
	case path == "":
		return "", withHint("the URL has no path", "write file:///path")
	case strings.HasPrefix(rest, "////"):
		return "", withHint("the URL has four slashes, which duplicity takes for a relative path",
			"write file:///path for an absolute path, file://path for a relative one")
	case strings.ContainsAny(path, "?#"):
		return "", withHint("the path has a ? or #, at which duplicity would cut it off", "write %3F for ?, %23 for #")
	}
	path = unescape(path)
	if strings.ContainsRune(path, 0) {
		return "", withHint("the path has a NUL byte", "take %00 out of the URL")
	}
	return path, nil
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// hintError is a fault in a URL and what to write instead.
type hintError struct{ msg, hint string }

func withHint(msg, hint string) error { return &hintError{msg, hint} }

func (e *hintError) Error() string { return e.msg }

// Hint says what to write instead.
func (e *hintError) Hint() string { return e.hint }
