package server_test

import (
	"fmt"
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
