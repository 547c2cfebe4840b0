package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// BenchmarkSubmit submits jobs over HTTP without a limit, as a limited guest and as a limited member, to show the cost of
// quotas and of identifying an account.
func BenchmarkSubmit(b *testing.B) {
	for _, who := range []string{"unlimited", "guest", "member"} {
		b.Run(who, func(b *testing.B) {
			perDay := 1_000_000
			if who == "unlimited" {
				perDay = 0
			}
			s := setup(b, withQuota(perDay, perDay), func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveMember = 0 })
			var options []option
			if who == "member" {
				options = append(options, bearer(s.signUp(b, annEmail).Token))
			}
			for b.Loop() {
				s.submitImage(b, options...).expect(b, http.StatusAccepted)
			}
		})
	}
}
