package telemetry

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// requireToken responds with 401 to requests without the token as Authorization: Bearer.
// The comparison takes constant time.
func requireToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(given)))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			http.Error(w, "send METRICS_TOKEN as Authorization: Bearer", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requireLocalHost responds with 421 to requests whose Host header does not name this
// machine, which stops DNS rebinding: browsers always send the header.
func requireLocalHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !hostname.Loopback().Allows(r.Host) {
			http.Error(w, "address the metrics as localhost, or set METRICS_TOKEN or METRICS_PUBLIC=on", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
