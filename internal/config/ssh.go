package config

import (
	"errors"
	"math"
	"slices"
	"strings"
)

// SSH has what --ssh-options tell of targets over SSH.
type SSH struct {
	User          string
	Port          int
	IdentityFiles []string
	OnlyIdentity  bool
	AgentSocket   string // [SSH_AUTH_SOCK], or IdentityAgent
	KnownHosts    []string
	HostKeys      HostKeys
	// Names of algorithms, as OpenSSH has them.
	Ciphers, MACs, KeyExchanges, HostKeyAlgorithms []string
}

// HostKeys is what the key of a server must be.
type HostKeys string

// Known keys only, which is the default; those of new servers too, which are
// kept then; any key.
const (
	HostKeysKnown HostKeys = ""
	HostKeysNew   HostKeys = "accept-new"
	HostKeysAny   HostKeys = "no"
)

// parseSSHOptions reads the options of OpenSSH that duplicity hands on:
// -oName=value, -o Name=value, -i file, -p port, -l user.
func parseSSHOptions(c *Config, s string) error {
	const hint = "write -oName=value, such as --ssh-options=\"-oIdentityFile=/path -oPort=2222\""
	words, err := splitWords(s)
	if err != nil {
		return err
	}
	var faults []error
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		if len(word) < 2 || word[0] != '-' || word[1] == '-' {
			return errors.Join(append(faults, withHint(hint, "a word that is no option of ssh"))...)
		}
		letter, value := word[1], word[2:]
		if takesValue := strings.IndexByte("oipl", letter) >= 0; takesValue && value == "" {
			if len(words) == 0 {
				return errors.Join(append(faults, withHint(hint, "option -%c of ssh lacks its value", letter))...)
			}
			value, words = words[0], words[1:]
		}
		faults = append(faults, c.Target.SSH.set(c, letter, value))
	}
	return errors.Join(faults...)
}

func (s *SSH) set(c *Config, letter byte, value string) error {
	switch letter {
	case 'i':
		return s.keyword(c, "IdentityFile", value)
	case 'p':
		return s.keyword(c, "Port", value)
	case 'l':
		return s.keyword(c, "User", value)
	case 'o':
		name, value, ok := strings.Cut(value, "=")
		if !ok {
			name, value, ok = strings.Cut(name, " ")
		}
		if value = strings.Trim(value, " \""); !ok || value == "" {
			return withHint("write -oName=value", "option %s of ssh has no value", name)
		}
		return s.keyword(c, strings.TrimSpace(name), value)
	case 'C', 'q', 'v', 'x', '4', '6', 'a', 'T':
		c.Notes = append(c.Notes, "option -"+string(letter)+" of ssh has no effect")
		return nil
	}
	return withHint("take it out; the options that are known stand in the README", "option -%c of ssh is not supported", letter)
}

// keyword takes a setting of OpenSSH's client.
func (s *SSH) keyword(c *Config, name, value string) error {
	list := func(field *[]string) error { *field = strings.Split(value, ","); return nil }
	switch strings.ToLower(name) {
	case "identityfile":
		s.IdentityFiles = append(s.IdentityFiles, value)
	case "identitiesonly":
		only, err := parseBool(value)
		s.OnlyIdentity = only
		return err
	case "identityagent":
		if s.AgentSocket = value; value == "none" {
			s.AgentSocket = ""
		}
	case "userknownhostsfile", "globalknownhostsfile":
		s.KnownHosts = append(s.KnownHosts, strings.Fields(value)...)
	case "port":
		return count(&s.Port, math.MaxUint16)(value)
	case "user":
		s.User = value
	case "stricthostkeychecking":
		switch strings.ToLower(value) {
		case "yes", "ask", "true":
			s.HostKeys = HostKeysKnown
		case "accept-new":
			s.HostKeys = HostKeysNew
		case "no", "off", "false":
			s.HostKeys = HostKeysAny
		default:
			return withHint("write yes, accept-new or no", "StrictHostKeyChecking is none of those that ssh knows")
		}
	case "ciphers":
		return list(&s.Ciphers)
	case "macs":
		return list(&s.MACs)
	case "kexalgorithms":
		return list(&s.KeyExchanges)
	case "hostkeyalgorithms":
		return list(&s.HostKeyAlgorithms)
	default:
		if !slices.Contains(sshNeedless(), strings.ToLower(name)) {
			return withHint("take it out; the options that are known stand in the README", "option %s of ssh is not supported", name)
		}
		c.Notes = append(c.Notes, "option "+name+" of ssh has no effect")
	}
	return nil
}

// sshNeedless are keywords of ssh's without which a connection is as good.
func sshNeedless() []string {
	return []string{
		"addressfamily", "addkeystoagent", "batchmode", "checkhostip", "compression", "connecttimeout", "connectionattempts", "controlmaster",
		"controlpath", "controlpersist", "forwardagent", "forwardx11", "hashknownhosts", "ipqos", "kbdinteractiveauthentication", "loglevel",
		"numberofpasswordprompts", "passwordauthentication", "preferredauthentications", "pubkeyauthentication", "requesttty", "rekeylimit",
		"serveralivecountmax", "serveraliveinterval", "tcpkeepalive", "updatehostkeys", "visualhostkey",
	}
}
