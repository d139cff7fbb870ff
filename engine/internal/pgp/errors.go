package pgp

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrWrongKey says that a message can't be written or read with the keys and
	// the passphrase at hand. A *KeyError is one, with the key's name.
	ErrWrongKey = errors.New("wrong or missing key or passphrase")
	// ErrCorrupt says that a message is no OpenPGP message, is cut short, or was
	// changed after it was written.
	ErrCorrupt = errors.New("damaged OpenPGP message")
	// ErrSignature says that a message is whole but lacks a good signature of the
	// required key.
	ErrSignature = errors.New("the required signature is missing or wrong")
)

// KeyError says which key is missing or can't be used, and why. It is an
// ErrWrongKey.
type KeyError struct {
	Key   string // as the user named it, or its id
	Where string // the folder that was searched
	Err   error  // what is wrong
	hint  string
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("key %q in %s: %v", e.Key, e.Where, e.Err)
}

// Unwrap returns what is wrong with the key.
func (e *KeyError) Unwrap() error { return e.Err }

// Is makes every KeyError an ErrWrongKey.
func (e *KeyError) Is(target error) bool { return target == ErrWrongKey }

// Hint says what to do.
func (e *KeyError) Hint() string { return e.hint }

func (k *Keyring) keyError(name, hint, format string, args ...any) *KeyError {
	return &KeyError{Key: name, Where: k.place(), Err: fmt.Errorf(format, args...), hint: hint}
}

const (
	hintPassphrase = "set PASSPHRASE (or PASSPHRASE_FILE) to the passphrase of the secret key, SIGN_PASSPHRASE for one that only signs"
	hintImport     = "put the key there: gpg --export --armor KEY > FILE.asc, for the secret one gpg --export-secret-keys"
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}

func list(items []string) string { return strings.Join(items, "; ") }
