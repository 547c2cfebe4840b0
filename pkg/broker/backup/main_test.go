package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang bounds operations of a test, so that a test that hangs fails.
const hang = 2 * time.Minute

// openUndeclared opens a store for a restore and closes it when the test ends.
func openUndeclared(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := brokertest.OpenUndeclared(t, cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return b
}

// create makes a backup and verifies it.
func create(t *testing.T, b *broker.Broker) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var file bytes.Buffer
	made, err := backup.Create(ctx, b, "secret", &file)
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	m, err := backup.Verify(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if fmt.Sprint(m.Streams) != fmt.Sprint(made.Streams) && len(m.Streams) != len(made.Streams) {
		t.Errorf("the manifest has %v, want %v", m.Streams, made.Streams)
	}
	return file.Bytes()
}

// restore restores a backup into a store and closes that.
func restore(t *testing.T, cfg broker.Config, file []byte) {
	t.Helper()
	b := openUndeclared(t, cfg)
	defer brokertest.Close(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := backup.Restore(ctx, b, manifestOf(t, file), bytes.NewReader(file)); err != nil {
		t.Fatalf("restore: %v", err)
	}
}

func manifestOf(t *testing.T, file []byte) *backup.Manifest {
	t.Helper()
	m, err := backup.Verify(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return m
}

func publish(t *testing.T, b *broker.Broker, subject, data string, opts ...jetstream.PublishOpt) uint64 {
	t.Helper()
	ack, err := b.JetStream().Publish(t.Context(), subject, []byte(data), opts...)
	if err != nil {
		t.Fatalf("publish %s: %v", subject, err)
	}
	return ack.Sequence
}

// last returns the last message on a subject, or nil.
func last(t *testing.T, b *broker.Broker, stream, subject string) *jetstream.RawStreamMsg {
	t.Helper()
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		t.Fatalf("read %s: %v", subject, err)
	}
	return msg
}
