package webdav

import (
	"net/http"
	"strings"
	"testing"
)

// The examples of RFC 7616, section 3.9.1, and of RFC 2617, section 3.5.
func TestDigest(t *testing.T) {
	const challenge = `realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	r, err := http.NewRequest(http.MethodGet, "http://www.example.org/dir/index.html", nil)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, want := range map[string]string{
		", algorithm=MD5":     "8ca523f5e9506fed4657c9700eebdbec",
		", algorithm=SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		d := parseDigest(challenge + algorithm)
		if d == nil {
			t.Fatalf("%s can't be answered", algorithm)
		}
		if got := d.answer(r, "Mufasa", "Circle of Life", cnonce, 1); !strings.Contains(got, `response="`+want+`"`) || !strings.Contains(got, "nc=00000001") {
			t.Errorf("%s: %s", algorithm, got)
		}
	}
	d := parseDigest(`realm="testrealm@host.com",qop="auth,auth-int",nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",opaque="5ccc069c403ebaf9f0171e9517f40e41"`)
	if got := d.answer(r, "Mufasa", "Circle Of Life", "0a4f113b", 1); !strings.Contains(got, `response="6629fae49393a05397450978507c4ef1"`) {
		t.Error(got)
	}
	for _, s := range []string{"", `realm="x"`, `nonce="x", algorithm=SHA-512-256`, `nonce="x", qop="auth-int"`, `nonce="`, "nonce", `=`} {
		if d := parseDigest(s); d != nil {
			t.Errorf("%q: %+v", s, d)
		}
	}
}
