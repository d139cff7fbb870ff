package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

// T10: what the rules leave out is not in the backup, with all that is below it;
// duplicity's own options choose of the rest.
func TestRunFilters(t *testing.T) {
	b := newBench(t, "BACKUP_FILTER=+ /cache/keep/***; - /cache/*", "BACKUP_EXCLUDE=*.tmp; tmp/",
		"PASSPHRASE=open sesame", "BACKUP_DUPLICITY_OPTIONS=--exclude **/secret")
	for name, stored := range map[string]bool{
		"a.tmp": false, "data/b.tmp": false, "data/b": true, "cache/x": false, "cache/keep/x": true, "cache/keep/y.tmp": true,
		"data/tmp/deep/x": false, "tmp": true, "data/secret": false, "cache/keep/secret": false,
	} {
		b.must(t, os.MkdirAll(filepath.Join(b.root, "source", filepath.Dir(name)), 0o755))
		b.write(t, "source/"+name, "text of "+name)
		defer func() {
			if got := b.restored(t, name); (got == "text of "+name) != stored {
				t.Errorf("the backup holds %q of %s", got, name)
			}
		}()
	}
	b.run(t, Complete)
}
