package account_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	a := newAccounts(t, b, config(t))
	for range 2 {
		must(t, a.Probe(t.Context(), "p1"))
	}
	_, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.UsersStream, broker.UsersProbeSubject("p1"))
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("the probe was not removed: %v", err)
	}
	must(t, b.JetStream().DeleteKeyValue(t.Context(), broker.BucketUsers))
	if err := a.Probe(t.Context(), "p1"); err == nil {
		t.Error("the probe succeeds without a bucket")
	}
}
