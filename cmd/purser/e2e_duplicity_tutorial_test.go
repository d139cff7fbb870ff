package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands of a tutorial for duplicity 0.7, one after the other as they
// stand there. Only places are others: absolute paths lie below a directory of
// the test, and what was on SFTP is on a file URL.
func TestDuplicityTutorial(t *testing.T) {
	w := newTwins(t, "GNUPGHOME="+gpgHome(t, "yourpassphrase"))
	for _, dir := range []string{"your_directory", "path_to_back_up", "fs/home", "fs/proc", "fs/sys", "fs/tmp"} {
		w.grow(dir, 0)
	}
	write(t, filepath.Join(w.root, "filelist.txt"), []byte("- "+w.root+"/your_directory/d/deep\n"+w.root+"/your_directory/d\n"+w.root+"/your_directory/changed\n"), 0o644)
	places := strings.NewReplacer(
		"file:///var", "file://$TWIN/var", "sftp://root@backupHost//", "file://$TWIN/", "sftp://cloud@DuplicityPrivateIP//", "file://$TWIN/",
		" /any", " $TWIN/any", " /your_restore", " $TWIN/your_restore", " /your_directory", " $ROOT/your_directory",
		"key_from_GPG", "me@example.com", "your_encrypt_key", "me@example.com",
		"/proc ", "$ROOT/fs/proc ", "/sys ", "$ROOT/fs/sys ", "/tmp / ", "$ROOT/fs/tmp $ROOT/fs ",
		"files_to_exclude", "path_to_back_up/changed", "files_to_include", "path_to_back_up/d",
	)
	run := func(line string) {
		t.Helper()
		real, ours := w.both(places.Replace(line))
		if real.code != 0 || ours.code != 0 {
			t.Errorf("%s\nduplicity: %s\npurser: %s", line, real, ours)
		}
	}
	const passphrase = `PASSPHRASE="yourpassphrase" `
	export := []string{"PASSPHRASE=yourpassphrase"} // the tutorial says to enter it
	w.real.env, w.ours.env = append(w.real.env, export...), append(w.ours.env, export...)

	const local = "duplicity /your_directory file:///var/backups/duplicity/ --include-globbing-filelist filelist.txt --exclude '**'"
	if err := os.MkdirAll(filepath.Join(w.real.dir, "var/backups"), 0o755); err != nil { // purser makes it
		t.Fatal(err)
	}
	run(local)
	w.wantSameRepository("var/backups/duplicity")
	w.grow("your_directory", 1)
	run(local)
	run(strings.Replace(local, "duplicity ", "duplicity full ", 1))
	w.wantSameRepository("var/backups/duplicity")
	run("duplicity restore file:///var/backups/duplicity/ /any/directory/")
	wantSame(t, "the restore", snapshot(t, w.real.dir+"/any"), snapshot(t, w.ours.dir+"/any"))

	// The tutorial's own slip: an include at the end chooses what is chosen anyway.
	// Both say so, and both take it with the line that it lacks.
	const chosen = "duplicity --encrypt-key key_from_GPG --exclude files_to_exclude --include files_to_include path_to_back_up sftp://root@backupHost//remotebackup/duplicityDroplet"
	real, ours := w.both(places.Replace(chosen))
	if real.code != 16 || ours.code != 2 || !strings.Contains(ours.stderr, "hint: ") {
		t.Errorf("an include at the end\nduplicity: %s\npurser: %s", real, ours)
	}
	run(chosen + " --exclude '**'")
	w.wantSameRepository("remotebackup/duplicityDroplet")

	run(passphrase + `duplicity --encrypt-key your_encrypt_key --exclude /proc --exclude /sys --exclude /tmp / sftp://cloud@DuplicityPrivateIP//your_sauvegarde_directory --ssh-option="-oIdentityFile=keypair_path"`)
	w.wantSameRepository("your_sauvegarde_directory")
	run(passphrase + `duplicity sftp://cloud@DuplicityPrivateIP//your_sauvegarde_directory --ssh-option="-oIdentityFile=/home/cloud/.ssh/yourkeypair.pem" /your_restore_directory`)
	wantSame(t, "the restore", snapshot(t, w.real.dir+"/your_restore_directory"), snapshot(t, w.ours.dir+"/your_restore_directory"))
	restored := snapshot(t, w.ours.dir+"/your_restore_directory")
	if restored["home/changed"] == "" || restored["proc"]+restored["sys"]+restored["tmp"] != "" {
		t.Errorf("restored: %v", restored)
	}

	run(`duplicity  --exclude /proc --exclude /sys --exclude /tmp / sftp://cloud@DuplicityPrivateIP//mnt/vdb/ --ssh-option="-oIdentityFile=keypair_path"`)
	w.wantSameRepository("mnt/vdb")
}
