package kv_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is the type of values in these tests.
type counter struct {
	V int    `json:"v"`
	N int    `json:"n"`
	X string `json:"x,omitempty"`
}

const (
	version = 1
	prefix  = "$KV." + broker.BucketControl + ".counter."
)

func (c *counter) check() error {
	switch {
	case c.V > version:
		return kv.ErrNewer
	case c.V < 1:
		return errors.New("incomplete")
	}
	return nil
}

// bucketOn returns a bucket of counters on a broker; options change its configuration.
func bucketOn(t testing.TB, b *broker.Broker, options ...func(*kv.Config[counter])) *kv.Bucket[counter] {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.ControlStream)
	must(t, err)
	cfg := kv.Config[counter]{Name: "counter", Prefix: prefix, Check: (*counter).check}
	for _, option := range options {
		option(&cfg)
	}
	return kv.New(b.JetStream(), stream, cfg)
}

// start returns a bucket of counters on a new NATS server.
func start(t testing.TB, options ...func(*kv.Config[counter])) (*kv.Bucket[counter], *broker.Broker) {
	t.Helper()
	b := brokertest.Start(t)
	return bucketOn(t, b, options...), b
}

// stored returns the message of a key.
func stored(t testing.TB, b *broker.Broker, key string) *jetstream.RawStreamMsg {
	t.Helper()
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ControlStream, prefix+key)
	must(t, err)
	return msg
}

// hang is the timeout of operations that normally take moments.
const hang = 2 * time.Minute

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks that err is want.
func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}
