package brokertest

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// Subscribe returns a subscription to a subject, which may contain wildcards, from now until the test ends. A broker that stops would
// otherwise wait for somebody to read its messages.
func Subscribe(t testing.TB, nc *nats.Conn, subject string) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(subject)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return sub
}
