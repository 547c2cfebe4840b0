package server_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// BenchmarkRefusal refuses a guest who has as many jobs as may be, which costs more than to accept one who has not.
func BenchmarkRefusal(b *testing.B) {
	rig := setup(b)
	for n := range 4 {
		rig.push(b, newSpec("g-1", fmt.Sprint("j", n), job.KindImage, imageInput()))
	}
	spec := newSpec("g-1", "more", job.KindImage, imageInput())
	for b.Loop() {
		if _, _, err := server.Accept(rig.server, b.Context(), spec, false); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkSubmit submits jobs over HTTP, as somebody who is not limited, a guest and a member who are, to show what the
// counting of quotas and the look at an account cost.
func BenchmarkSubmit(b *testing.B) {
	for _, who := range []string{"unlimited", "guest", "member"} {
		b.Run(who, func(b *testing.B) {
			perDay := 1_000_000
			if who == "unlimited" {
				perDay = 0
			}
			rig := setup(b, withQuota(perDay, perDay), func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveMember = 0 })
			var options []option
			if who == "member" {
				options = append(options, bearer(rig.signUp(b, annEmail).Token))
			}
			for b.Loop() {
				rig.submits(b, options...).expect(b, http.StatusAccepted)
			}
		})
	}
}
