package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
)

// All ways in which duplicity's users write the options of ssh.
func TestSSHOptions(t *testing.T) {
	for options, want := range map[string]config.SSH{
		`--ssh-options="-oIdentityFile=/k -oPort=2222"`:              {IdentityFiles: []string{"/k"}, Port: 2222},
		`--ssh-option="-oIdentityFile=/k"`:                           {IdentityFiles: []string{"/k"}},
		`--ssh-options '-o IdentityFile=/k -i /l -p 22'`:             {IdentityFiles: []string{"/k", "/l"}, Port: 22},
		`--ssh-options="-oIdentityFile='/with blank'"`:               {IdentityFiles: []string{"/with blank"}},
		`--ssh-options="-o identityfile=/k -o 'Port 7'"`:             {IdentityFiles: []string{"/k"}, Port: 7},
		`--ssh-options=-oPort=1 --ssh-options=-luser`:                {Port: 1, User: "user"},
		`--ssh-options=-oStrictHostKeyChecking=accept-new`:           {HostKeys: config.HostKeysNew},
		`--ssh-options=-oStrictHostKeyChecking=no`:                   {HostKeys: config.HostKeysAny},
		`--ssh-options=-oStrictHostKeyChecking=yes`:                  {},
		`--ssh-options="-oUserKnownHostsFile='/a /b'"`:               {KnownHosts: []string{"/a", "/b"}},
		`--ssh-options="-oCiphers=a,b -oMACs=c"`:                     {Ciphers: []string{"a", "b"}, MACs: []string{"c"}},
		`--ssh-options="-oIdentitiesOnly=yes -oUser=me"`:             {OnlyIdentity: true, User: "me"},
		`--ssh-options="-oIdentityAgent=/s"`:                         {AgentSocket: "/s"},
		`--ssh-options="-oServerAliveInterval=9 -C -oBatchMode=yes"`: {},
	} {
		if diff := cmp.Diff(want, load(t, "BACKUP_DUPLICITY_OPTIONS="+options).Target.SSH); diff != "" {
			t.Errorf("%s (-want +got):\n%s", options, diff)
		}
	}
	if got := load(t, "SSH_AUTH_SOCK=/agent").Target.SSH.AgentSocket; got != "/agent" {
		t.Errorf("the agent is %q", got)
	}
}
