package s3_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeServer answers each request with a status that real servers won't give
// on demand.
func fakeServer(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
