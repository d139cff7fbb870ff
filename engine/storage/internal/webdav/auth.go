package webdav

import (
	"crypto/md5" // a server of Digest asks for it
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"sync"

	"github.com/purser-backup/purser/internal/secret"
)

// auth answers a server that wants to know who asks, by Digest (RFC 7616) if it
// can be, else by Basic. The password goes out only after the server has asked for it
// in that way.
type auth struct {
	user     string
	password secret.String

	mu     sync.Mutex
	basic  bool
	digest *digest
	count  int // of the requests with this nonce
}

// digest is a server's challenge.
type digest struct {
	realm, nonce, opaque, algorithm string
	qop                             bool
}

// sign puts an answer to the last challenge into a request.
func (a *auth) sign(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.digest != nil:
		a.count++
		r.Header.Set("Authorization", a.digest.answer(r, a.user, a.password.Reveal(), rand.Text(), a.count))
	case a.basic:
		r.SetBasicAuth(a.user, a.password.Reveal())
	}
}

// challenge reads a server's. It is false if there is no use in asking again.
func (a *auth) challenge(r *http.Request, h http.Header) bool {
	if a.user == "" {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	basic := false
	for _, line := range h.Values("Www-Authenticate") {
		scheme, parameters, _ := strings.Cut(line, " ")
		switch strings.ToLower(scheme) {
		case "digest":
			d := parseDigest(parameters)
			if d == nil {
				continue
			}
			// The same challenge again is a refusal; a new nonce is none.
			used := strings.Contains(r.Header.Get("Authorization"), fmt.Sprintf("nonce=%q", d.nonce))
			a.digest, a.count = d, 0
			return !used
		case "basic":
			basic = true
		}
	}
	if !basic || r.Header.Get("Authorization") != "" {
		return false
	}
	a.basic = true
	return true
}

// parseDigest reads name=value, name="value". It gives nil for what can't be
// answered.
func parseDigest(s string) *digest {
	d := &digest{qop: false}
	known := true
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		name = strings.ToLower(strings.Trim(name, " ,\t"))
		var value string
		value, s = parameter(rest)
		switch name {
		case "realm":
			d.realm = value
		case "nonce":
			d.nonce = value
		case "opaque":
			d.opaque = value
		case "algorithm":
			d.algorithm = value
		case "qop":
			for option := range strings.SplitSeq(value, ",") {
				d.qop = d.qop || strings.TrimSpace(option) == "auth"
			}
			known = known && d.qop
		}
	}
	if d.hash() == nil || d.nonce == "" || !known {
		return nil
	}
	return d
}

// parameter takes a value off the front, and gives what follows it.
func parameter(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ",")
		return strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

func (d *digest) hash() func() hash.Hash {
	switch strings.TrimSuffix(strings.ToUpper(d.algorithm), "-SESS") {
	case "", "MD5":
		return md5.New
	case "SHA-256":
		return sha256.New
	}
	return nil
}

// answer is the value of the header Authorization.
func (d *digest) answer(r *http.Request, user, password, cnonce string, count int) string {
	sum := func(parts ...string) string {
		h := d.hash()()
		_, _ = h.Write([]byte(strings.Join(parts, ":"))) // a hash never fails
		return hex.EncodeToString(h.Sum(nil))
	}
	uri := r.URL.RequestURI()
	secret, request := sum(user, d.realm, password), sum(r.Method, uri)
	if strings.HasSuffix(strings.ToUpper(d.algorithm), "-SESS") {
		secret = sum(secret, d.nonce, cnonce)
	}
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	s := fmt.Sprintf("Digest username=%s, realm=%s, nonce=%s, uri=%s", quote(user), quote(d.realm), quote(d.nonce), quote(uri))
	if d.algorithm != "" {
		s += ", algorithm=" + d.algorithm
	}
	if d.opaque != "" {
		s += ", opaque=" + quote(d.opaque)
	}
	if !d.qop {
		return s + ", response=" + quote(sum(secret, d.nonce, request))
	}
	nc := fmt.Sprintf("%08x", count)
	return s + fmt.Sprintf(", qop=auth, nc=%s, cnonce=%s, response=%s", nc, quote(cnonce), quote(sum(secret, d.nonce, nc, cnonce, "auth", request)))
}
