package engine

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/purser-backup/purser/engine/internal/deflate"
	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/pgp"
)

// codec turns plain bytes into stored objects and back.
type codec struct {
	encryptor *pgp.Encryptor // nil writes gzip
	decryptor *pgp.Decryptor
	keys      []string // that it encrypts to; none with a passphrase
	pool      *deflate.Pool

	manifest struct { // the one that was fetched last
		key   string
		plain []byte
	}
}

// newReader returns a codec for restoring: it insists on signatures where a
// key for them is named.
func (r *Repository) newReader() (*codec, error) {
	d, err := pgp.NewDecryptor(pgp.DecryptOptions{Passphrase: r.opt.Passphrase, Keyring: r.keys, SignKey: r.opt.SignKey, Now: r.opt.Now})
	return &codec{decryptor: d, pool: newPool()}, err
}

// newPool compresses on as many processors as there are, up to four: more would
// only take memory, since encryption can't keep up.
func newPool() *deflate.Pool { return deflate.NewPool(min(runtime.GOMAXPROCS(0), 4)) }

// newWriter returns a codec for a backup. It reads what the chain has, signed
// or not.
func (r *Repository) newWriter() (*codec, error) {
	o := &r.opt
	d, err := pgp.NewDecryptor(pgp.DecryptOptions{Passphrase: o.Passphrase, Keyring: r.keys})
	if err != nil {
		return nil, err
	}
	c := &codec{decryptor: d, keys: slices.Concat(o.EncryptKeys, o.HiddenKeys), pool: newPool()}
	if !o.encrypts() {
		return c, nil
	}
	c.encryptor, err = pgp.NewEncryptor(pgp.EncryptOptions{
		Passphrase: o.Passphrase, Recipients: o.EncryptKeys, Hidden: o.HiddenKeys, SignKey: o.SignKey,
		SignPassphrase: o.SignPassphrase, Keyring: r.keys, Rand: o.Rand, Now: o.Now, Pool: c.pool, Like: d,
	})
	return c, err
}

// encrypts reports whether there is something to encrypt with.
func (o *Options) encrypts() bool {
	return !o.NoEncryption && (!o.Passphrase.IsZero() || len(o.EncryptKeys)+len(o.HiddenKeys) > 0)
}

// suffix is that of the objects that the codec writes. A manifest is never
// compressed: duplicity writes it so.
func (c *codec) suffix(kind format.Kind) format.Suffix {
	switch {
	case c.encryptor != nil:
		return format.Encrypted
	case kind == format.KindManifest:
		return format.Plain
	}
	return format.Gzip
}

// encode returns a writer for the plain bytes of an object with the given
// suffix. Closing it completes the object and leaves w open.
func (c *codec) encode(w io.Writer, s format.Suffix) (io.WriteCloser, error) {
	switch s {
	case format.Encrypted:
		return c.encryptor.Encrypt(w)
	case format.Gzip:
		return c.pool.NewGzip(w)
	}
	return nopCloser{w}, nil
}

// decode returns the plain bytes of the object called name. They are good only
// once the reader has returned io.EOF.
func (c *codec) decode(r io.Reader, name object) (io.Reader, error) {
	return c.decodeAs(r, name, pgp.Reading{})
}

// decodeAs is decode in another way of decrypting.
func (c *codec) decodeAs(r io.Reader, name object, how pgp.Reading) (io.Reader, error) {
	var (
		plain io.Reader
		err   error
	)
	switch name.Suffix {
	case format.Encrypted:
		plain, err = c.decryptor.DecryptAs(r, how)
	case format.Gzip:
		plain, err = gzip.NewReader(r)
	default:
		plain = r
	}
	if err != nil {
		return nil, decodeError(name, err)
	}
	return &decodeReader{plain, name}, nil
}

// decodeReader names the object in the errors of its reader.
type decodeReader struct {
	r    io.Reader
	name object
}

func (d *decodeReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && err != io.EOF {
		err = decodeError(d.name, err)
	}
	return n, err
}

func decodeError(name object, err error) error {
	var key *pgp.KeyError
	switch {
	case errors.As(err, &key):
		return fmt.Errorf("decrypt %s: %w", name, err)
	case isWrongKey(err):
		return withHint(fmt.Errorf("decrypt %s: %w", name, ErrWrongKey),
			"set PASSPHRASE (or PASSPHRASE_FILE) to the passphrase that the backup was made with")
	}
	return &CorruptError{Object: name.String(), Err: err}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
