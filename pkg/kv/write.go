package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// retryFor bounds how long a write is retried because of conflicts.
	retryFor = 8 * time.Second
	// maxPause is the longest pause before a retry. A cluster refuses a write while another one to the key is replicated.
	maxPause = 20 * time.Millisecond
)

// ErrUnchanged is returned by the edit function of Change when there is nothing to write.
var ErrUnchanged = errors.New("unchanged")

// Put stores a value unconditionally and returns its revision. Options may add conditions and a time to live; it fails with
// ErrConflict when a condition fails, and with ErrFull. After any other error of this and the other methods that write, the
// value may be stored. It costs one acknowledged publish.
func (b *Bucket[T]) Put(ctx context.Context, key string, value T, opts ...jetstream.PublishOpt) (revision uint64, err error) {
	data, err := json.Marshal(&value)
	if err != nil {
		return 0, fmt.Errorf("encode %s: %w", b.cfg.Name, err)
	}
	if b.cfg.TTL != nil {
		opts = append(opts, jetstream.WithMsgTTL(b.cfg.TTL(&value)))
	}
	ack, err := b.js.Publish(ctx, b.cfg.Prefix+key, data, opts...)
	if err != nil {
		return 0, fmt.Errorf("store %s: %w", b.cfg.Name, classify(err))
	}
	return ack.Sequence, nil
}

// Update replaces the value with the given revision, 0 for a key that has neither a value nor a marker, and returns the new
// revision. It fails with ErrConflict when the key has another revision, and with ErrFull. It costs one acknowledged publish.
func (b *Bucket[T]) Update(ctx context.Context, key string, value T, revision uint64, opts ...jetstream.PublishOpt) (uint64, error) {
	return b.Put(ctx, key, value, append([]jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}, opts...)...)
}

// Create stores the first value of a key, or the first one after a deletion, and returns its revision. It fails with
// ErrConflict when the key has a value, and with ErrFull. It costs one acknowledged publish, and two more requests to replace a
// marker.
func (b *Bucket[T]) Create(ctx context.Context, key string, value T, opts ...jetstream.PublishOpt) (revision uint64, err error) {
	var last uint64
	var refused, exists bool
	err = retry(ctx, b.retryFor, func() error {
		if refused {
			e, err := b.get(ctx, key)
			if err != nil {
				return err
			}
			if last, exists = e.Revision, e.Exists; exists {
				return nil
			}
		}
		refused = true
		revision, err = b.Update(ctx, key, value, last, opts...)
		return err
	})
	if exists {
		return 0, fmt.Errorf("store %s: %w", b.cfg.Name, ErrConflict)
	}
	return revision, err
}

// Change reads the entry of a key from the leader of the stream, calls edit to change its Value and stores that, until no other
// write comes in between. The entry of a key without a value has Exists false. Change returns the stored entry.
//
// An error of edit ends it; with ErrUnchanged nothing is written and Change returns the entry without an error. It fails with
// ErrConflict as Retry does, with ErrFull, and with ErrNewer before edit is called. It costs one read and one acknowledged
// publish, and as much again for each conflict.
func (b *Bucket[T]) Change(ctx context.Context, key string, edit func(*Entry[T]) error, opts ...jetstream.PublishOpt) (e Entry[T], err error) {
	var edited error // It ends the loop even if it is ErrConflict.
	err = retry(ctx, b.retryFor, func() error {
		if e, err = b.get(ctx, key); err != nil {
			return err
		}
		if e.Err != nil {
			return e.Err
		}
		if edited = edit(&e); edited != nil {
			return nil
		}
		revision, err := b.Update(ctx, key, e.Value, e.Revision, opts...)
		if err == nil {
			e.Revision, e.Exists = revision, true
		}
		return err
	})
	if edited != nil && !errors.Is(edited, ErrUnchanged) {
		return e, edited
	}
	return e, err
}

// Retry calls do until it does not fail with ErrConflict, with random pauses and for at most eight seconds. It is for changes of
// several keys; Change and Create retry by themselves.
func Retry(ctx context.Context, do func() error) error { return retry(ctx, retryFor, do) }

func retry(ctx context.Context, limit time.Duration, do func() error) error {
	start := time.Now()
	for {
		err := do()
		if !errors.Is(err, ErrConflict) || time.Since(start) >= limit {
			return err
		}
		if !lifecycle.Sleep(ctx, rand.N(maxPause)) { //nolint:gosec // A pause is no secret.
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
	}
}

// classify maps the error of a publish to those of this package.
func classify(err error) error {
	switch {
	case broker.Conflict(err):
		return ErrConflict
	case broker.NoRoom(err), broker.TooMany(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
