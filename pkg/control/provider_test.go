package control_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// A process knows the circuits of its providers when it has started, and drops that of a removed one.
func TestCircuitsOfProviders(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	first := controller(t, s)
	local := trip(job.CodeThrottled, time.Hour)
	local.Upstream = job.ProviderCircuit(job.UpstreamImage, "local")
	for _, fault := range []control.Trip{local, trip(job.CodeThrottled, time.Hour)} {
		if _, _, err := first.Trip(t.Context(), fault); err != nil {
			t.Fatal(err)
		}
	}
	second := control.NewController(s, slog.New(slog.DiscardHandler), nil)
	second.Providers([]string{"image-local"})
	if err := second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Stop)
	if !second.View().Circuit("image-local").Open() {
		t.Error("the circuit is not known")
	}
	// Jobs wait for the upstream, whose circuit can be closed although it is not due.
	if second.View().PausedUntil(job.KindImage, time.Now()).IsZero() {
		t.Error("nothing is paused")
	}
	if err := second.Reset(t.Context(), job.UpstreamImage); err != nil || !second.View().PausedUntil(job.KindImage, time.Now()).IsZero() {
		t.Errorf("%+v, %v", second.View(), err)
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.ControlStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.CircuitSubject("image-local"))); err != nil {
		t.Fatal(err)
	}
	until(t, first, "the circuit is removed", func(v control.View) bool { return !v.Circuit("image-local").Open() })
}
