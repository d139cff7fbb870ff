package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSeveralTargets(t *testing.T) {
	for value, want := range map[string][]string{
		"file:///a":             {"file:///a/x"},
		"file:///a file:///b":   {"file:///a/x", "file:///b/x"},
		"file:///my own folder": {"file:///my own folder/x"},
		"file:///my own   sftp://me:pw@h//b s3://host/bucket ": {"file:///my own/x", "sftp://me:pw@h//b/x", "s3://host/bucket/x"},
	} {
		c := load(t, "BACKUP_DUPLICITY_URL="+value, "BACKUP_DUPLICITY_TARGET_PATH=/x")
		var got []string
		for _, one := range c.Targets() {
			got = append(got, one.Reveal())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", value, diff)
		}
		for _, s := range c.Settings() {
			if strings.Contains(s.Value, "pw") {
				t.Errorf("%s shows a password: %s", s.Name, s.Value)
			}
		}
		if text := c.Scrub("a word is pw"); text != "a word is pw" { // too short to be looked for
			t.Error(text)
		}
	}
	two := load(t, "BACKUP_DUPLICITY_URL=ftp://a:secret-one@h/x ftp://b:secret-two@h/y")
	for _, s := range two.Settings() {
		if strings.Contains(s.Value, "secret") {
			t.Errorf("%s shows a password: %s", s.Name, s.Value)
		}
	}
	if text := two.Scrub("secret-one secret-two"); strings.Contains(text, "secret") {
		t.Errorf("a password stays in %q", text)
	}
}

func TestPlaceFaults(t *testing.T) {
	for _, c := range []struct{ setting, msg, hint string }{
		{"BACKUP_DUPLICITY_URL=file:///a file:///a/", "twice", "once"},
		{"BACKUP_DUPLICITY_URL=sftp://me@h/a /mnt/b", "without the kind", "file:///mnt/b"},
		{"BACKUP_LIVE_KEEP=-1", "out of range", "from 1"},
		{"BACKUP_LIVE_KEEP=0", "out of range", "from 1"},
		{"BACKUP_LIVE_KEEP=two", "whole number", "3"},
		{"BACKUP_UPLOAD_LATEST=false", "nowhere", "BACKUP_LIVE_KEEP=1"},
		{"BACKUP_UPLOAD_LATEST=maybe", "neither", "true or false"},
	} {
		got := faults(t, c.setting)
		if len(got) != 1 || !strings.Contains(got[0].Error(), c.msg) || !strings.Contains(got[0].Hint(), c.hint) {
			t.Errorf("%s: %v, want one with %q and the hint %q", c.setting, got, c.msg, c.hint)
		}
	}
	if c := load(t, "BACKUP_LIVE_KEEP=2", "BACKUP_UPLOAD_LATEST=no"); c.LiveKeep != 2 || c.UploadLatest {
		t.Errorf("got %d, %v", c.LiveKeep, c.UploadLatest)
	}
}
