package daemon

import "testing"

// A relative target must not be taken for a directory below the root: that one
// would be left out of a backup of everything.
func TestLocalTarget(t *testing.T) {
	for target, want := range map[string]string{
		"file:///mnt/nas/": "/mnt/nas/", "file:/mnt/nas": "/mnt/nas", "file://rel/home": "rel/home",
		"file:///a%20b": "/a b", "file:///100%": "/100%", "sftp://host//home": "",
	} {
		if got := localTarget(target); got != want {
			t.Errorf("%s is %q, want %q", target, got, want)
		}
	}
}
