package control_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

// hang bounds operations of a test, so that a test that hangs fails.
const hang = 2 * time.Minute

// on returns a store on a broker.
func on(t testing.TB, b *broker.Broker) *control.Store {
	t.Helper()
	s, err := control.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start returns a store on a NATS of its own.
func start(t testing.TB) (*control.Store, *broker.Broker) {
	t.Helper()
	b := brokertest.Start(t)
	return on(t, b), b
}
