package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// acks are acknowledgements as nats-server writes them.
var acks = map[string]jetstream.PubAck{
	`{"stream":"JOBS","seq":1}`:                               {Stream: "JOBS", Sequence: 1},
	`{"stream":"KV_RESULTS","seq":18446744073709551615}`:      {Stream: "KV_RESULTS", Sequence: 1<<64 - 1},
	`{"stream":"JOBS","seq":2,"duplicate": true}`:             {Stream: "JOBS", Sequence: 2, Duplicate: true},
	`{"stream":"USAGE_day","seq":3,"val":"12"}`:               {Stream: "USAGE_day", Sequence: 3, Value: "12"},
	`{"stream":"JOBS","domain":"hub","seq":4}`:                {Stream: "JOBS", Domain: "hub", Sequence: 4},
	`{"stream":"S","seq":6,"unknown":{"stream":"T","seq":7}}`: {Stream: "S", Sequence: 6},
}

func TestDecodeAck(t *testing.T) {
	t.Parallel()
	for data, want := range acks {
		if got, err := broker.DecodeAck([]byte(data)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", data, got, err)
		}
	}
	if _, plain := broker.PlainAck([]byte(`{"stream":"JOBS","seq":1}`)); !plain {
		t.Error("the usual acknowledgement is decoded as JSON")
	}
	_, err := broker.DecodeAck([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"stream":"JOBS","seq":0}`))
	if !broker.Conflict(err) {
		t.Errorf("a refusal: %v", err)
	}
	for _, data := range []string{
		``, `{}`, `null`, `{"stream":"","seq":1}`, `{"seq":1}`, `{"stream":"JOBS","seq":}`, `{"stream":"JOBS","seq":-1}`, `{"stream":"JOBS","seq":1`,
		`{"stream":"JOBS","seq":1}}`, `{"stream":"JOBS","seq":18446744073709551616}`,
	} {
		if got, err := broker.DecodeAck([]byte(data)); err == nil {
			t.Errorf("%q: %+v", data, got)
		}
	}
}

// FuzzPlainAck compares what is decoded without a JSON decoder with what the decoder returns.
func FuzzPlainAck(f *testing.F) {
	for data := range acks {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := broker.PlainAck(data)
		if !ok || !json.Valid(data) || !utf8.Valid(data) {
			return
		}
		var want jetstream.PubAck
		if err := json.Unmarshal(data, &want); err != nil || got != want {
			t.Errorf("%q: %+v, want %+v, %v", data, got, want, err)
		}
	})
}

// TestPublishWithoutStream publishes what no stream stores, at first or for good.
func TestPublishWithoutStream(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	publish := func(subject string) <-chan error {
		failed := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), hang)
			defer cancel()
			ack, err := b.JetStream().Publish(ctx, subject, []byte("x"))
			if err == nil && (ack.Stream != "LATE" || ack.Sequence != 7) {
				err = errors.New("another acknowledgement")
			}
			failed <- err
		}()
		return failed
	}
	before := b.Conn().Stats().OutMsgs
	if err := result(t, publish("absent.never")); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("got %v", err)
	}
	if sent := b.Conn().Stats().OutMsgs - before; sent < 3 {
		t.Errorf("the message was sent %d times", sent)
	}

	received := b.Conn().Stats().InMsgs
	failed := publish("absent.late")
	for deadline := time.Now().Add(hang); b.Conn().Stats().InMsgs == received; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("nobody has answered that there is no stream")
		}
	}
	sub, err := b.Conn().Subscribe("absent.late", func(m *nats.Msg) { _ = m.Respond([]byte(`{"stream":"LATE","seq":7}`)) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := result(t, failed); err != nil {
		t.Errorf("a stream that was late: %v", err)
	}
	if n := b.PendingPublishes(); n != 0 {
		t.Errorf("%d publishes are pending", n)
	}
}

// TestForgottenPublish ends the wait for an acknowledgement before it arrives.
func TestForgottenPublish(t *testing.T) {
	t.Parallel()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	wire := brokertest.NewWire(t, near.ClientURL())
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "owner", "j1")
	sent, release := make(chan struct{}), make(chan struct{})
	wire.Hold(func(m brokertest.Message) <-chan struct{} {
		if m.Subject != subject {
			return nil
		}
		close(sent)
		return release
	})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := far.JetStream().Publish(ctx, subject, []byte("{}"))
		failed <- err
	}()
	<-sent
	if n := far.PendingPublishes(); n != 1 {
		t.Errorf("%d publishes are pending", n)
	}
	cancel()
	if err := result(t, failed); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := far.PendingPublishes(); n != 0 {
		t.Errorf("%d publishes are pending after their caller has gone", n)
	}
	// The late acknowledgement is ignored.
	close(release)
	if _, err := far.JetStream().Publish(t.Context(), broker.JobSubject(job.KindImage, job.LaneGuest, "owner", "j2"), []byte("{}")); err != nil {
		t.Error(err)
	}
}
