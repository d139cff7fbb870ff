package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A server of two suffixes, one of which is longer than a line and not in
// plain letters, and of cn=config, whose administrator has another name.
const twoSuffixes = `mkdir -p /var/lib/ldap/1 /var/lib/ldap/2 && cat >/tmp/slapd.conf <<END
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /tmp/slapd.pid
database config
rootdn "cn=boss,cn=config"
rootpw $(slappasswd -n -s "$(cat "$LDAP_CONFIG_ADMIN_PASSWORD_FILE")")
database mdb
suffix "dc=ship,dc=test"
rootdn "cn=admin,dc=ship,dc=test"
rootpw $(slappasswd -n -s "$LDAP_ADMIN_PASSWORD")
directory /var/lib/ldap/1
database mdb
suffix "$OTHER"
rootdn "cn=admin,dc=ship,dc=test"
directory /var/lib/ldap/2
END
exec slapd -d 0 -f /tmp/slapd.conf -h ldap://0.0.0.0:1389`

func TestOpenLDAPSuffixes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, "config"), []byte(word+"2"), 0o444); err != nil {
		t.Fatal(err)
	}
	other := "o=Söderhamn " + strings.Repeat("och många andra hamnar ", 4) + "vid Östersjön"
	c := dockertest.Container{Image: "openldap:2", Entrypoint: []string{"sh", "-c", twoSuffixes}, Binds: []string{secrets + ":/secrets:ro"},
		Env: []string{"LDAP_ADMIN_PASSWORD=" + word, "LDAP_CONFIG_ADMIN_USERNAME=boss", "LDAP_CONFIG_ADMIN_PASSWORD_FILE=/secrets/config", "OTHER=" + other}}
	connect := `printf %s "$LDAP_ADMIN_PASSWORD" >/tmp/word; auth="-x -H ldap://127.0.0.1:1389 -D cn=admin,dc=ship,dc=test -y /tmp/word"; `
	start := func() string {
		id := b.Start(t, c)
		b.ready(t, id, "ldapsearch -x -H ldap://127.0.0.1:1389 -s base -b ''")
		return id
	}
	look := func(id string) string {
		return b.script(t, id, connect+`for base in dc=ship,dc=test "$OTHER"; do ldapsearch $auth -LLL -o ldif-wrap=no -b "$base"; done`)
	}
	id := start()
	b.ExecInput(t, id, []byte("dn: dc=ship,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: ship\no: Ship\n\n"+
		"dn: "+other+"\nobjectClass: organization\no: "+strings.TrimPrefix(other, "o=")+"\n\ndn: ou=kök,"+other+"\nobjectClass: organizationalUnit\nou: kök\n"),
		"sh", "-c", connect+"ldapadd $auth")
	want := look(id)
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(b.source, report.Path, "config.ldif"))
	if err != nil || !strings.Contains(string(config), "\ndn: olcDatabase={2}mdb,cn=config\n") {
		t.Errorf("the server's own settings: %v\n%s", err, config)
	}
	again := start()
	loaded, err := b.load(t, report, again, false)
	if diff := cmp.Diff([]string{"dc=ship,dc=test: 1 entries", other + ": 2 entries"}, loaded.Summary); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if diff := cmp.Diff(want, look(again)); diff != "" {
		t.Error(diff)
	}
	_, err = b.load(t, report, again, false)
	wantError(t, err, "--force", "not empty", "ou=kök,"+other)
	b.ExecInput(t, id, []byte("dn: ou=more,"+other+"\nobjectClass: organizationalUnit\nou: more\n"), "sh", "-c", connect+"ldapadd $auth")
	if _, err := b.load(t, report, id, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, look(id)); diff != "" {
		t.Error(diff)
	}
}
