package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrNotFound is returned for a key without a value.
	ErrNotFound = errors.New("not found")
	// ErrConflict is returned when another write to the key came first or, in a cluster, is pending. Nothing was written then.
	ErrConflict = errors.New("changed concurrently")
	// ErrFull is returned when NATS has no room for the value.
	ErrFull = errors.New("the store is full")
	// ErrNewer is returned for a value that a newer version of the program has written and that must not be overwritten.
	ErrNewer = job.ErrNewer
)

// CheckVersion returns ErrNewer for the version of a value that a newer version of the program has written.
func CheckVersion(v int) error {
	if v > job.Version {
		return ErrNewer
	}
	return nil
}

// errMalformed replaces the error of the JSON decoder, which may contain parts of the value.
var errMalformed = errors.New("malformed")

// Config describes the values of a bucket. They are stored as JSON.
type Config[T any] struct {
	// Name is the name of a value in errors, as in "read account".
	Name string
	// Prefix is prepended to each key to form a subject of the stream. When it is empty, keys are whole subjects.
	Prefix string
	// Check, if not nil, rejects decoded values: incomplete ones, and with ErrNewer those of a newer version.
	Check func(*T) error
	// Lenient decodes a value that is malformed or rejected by Check as the zero value, for values that may be overwritten and
	// must not block a key forever.
	Lenient bool
	// TTL, if not nil, returns the time to live of a value, in whole seconds. Every write restarts it.
	TTL func(*T) time.Duration
}

// Bucket holds the values of one type in a KV bucket.
type Bucket[T any] struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	cfg    Config[T]
	// retryFor bounds how long a write is repeated because of conflicts.
	retryFor time.Duration
}

// New returns a bucket of values in the stream of a KV bucket, which keeps one message per subject. It costs no request.
func New[T any](js jetstream.JetStream, stream jetstream.Stream, cfg Config[T]) *Bucket[T] {
	return &Bucket[T]{js: js, stream: stream, cfg: cfg, retryFor: retryFor}
}

// Entry is a key with its stored value.
type Entry[T any] struct {
	Key   string
	Value T
	// Revision is the argument of Update. It is 0 for a key that was never written or was purged; the marker of a value that was
	// deleted or has expired has a revision of its own.
	Revision uint64
	// Exists reports whether the key has a value.
	Exists bool
	// Err is the error of a value that could not be decoded.
	Err error
}

// Get returns the entry of a key from the leader of the stream, so that it is never stale. It fails with ErrNotFound, in which
// case the entry has the revision for Update. It costs one request.
func (b *Bucket[T]) Get(ctx context.Context, key string) (Entry[T], error) {
	return existing(b.get(ctx, key))
}

// GetRecent is Get by broker.RecentLast: it may miss what another process has written within the last second, but nothing that this
// one has. What the value refers to is shared and must not be changed.
func (b *Bucket[T]) GetRecent(ctx context.Context, key string) (Entry[T], error) {
	msg, err := broker.RecentLast(ctx, b.js, b.streamName(), b.cfg.Prefix+key)
	if err != nil {
		return existing(b.entry(key, nil, err))
	}
	e, decoded := msg.Decoded.Load().(Entry[T])
	if !decoded {
		e = b.decode(key, msg.RawStreamMsg)
		msg.Decoded.Store(e)
	}
	return existing(e, nil)
}

func existing[T any](e Entry[T], err error) (Entry[T], error) {
	switch {
	case err != nil:
		return e, err
	case !e.Exists:
		return e, ErrNotFound
	}
	return e, e.Err
}

// get is like Get but reports neither a missing value nor one that cannot be decoded as an error.
func (b *Bucket[T]) get(ctx context.Context, key string) (Entry[T], error) {
	msg, err := broker.LeaderLast(ctx, b.js, b.streamName(), b.cfg.Prefix+key)
	return b.entry(key, msg, err)
}

// entry returns the entry of what was read, or the error of the read.
func (b *Bucket[T]) entry(key string, msg *jetstream.RawStreamMsg, err error) (Entry[T], error) {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return Entry[T]{Key: key}, nil
	case err != nil:
		return Entry[T]{Key: key}, fmt.Errorf("read %s: %w", b.cfg.Name, err)
	}
	return b.decode(key, msg), nil
}

func (b *Bucket[T]) decode(key string, msg *jetstream.RawStreamMsg) Entry[T] {
	e := Entry[T]{Key: key, Revision: msg.Sequence, Exists: len(msg.Data) > 0}
	if !e.Exists {
		return e
	}
	err := json.Unmarshal(msg.Data, &e.Value)
	switch {
	case err != nil:
		err = errMalformed
	case b.cfg.Check != nil:
		err = b.cfg.Check(&e.Value)
	}
	if err != nil {
		var zero T
		e.Value = zero
		if !b.cfg.Lenient {
			e.Err = fmt.Errorf("decode %s: %w", b.cfg.Name, err)
		}
	}
	return e
}

// List returns the entries whose keys match patterns, in which * matches one token: at most a thousand, oldest write first,
// without deleted and expired ones. An entry that cannot be decoded has its Err set. It costs one request to any replica.
func (b *Bucket[T]) List(ctx context.Context, patterns ...string) ([]Entry[T], error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	subjects := make([]string, len(patterns))
	for i, pattern := range patterns {
		subjects[i] = b.cfg.Prefix + pattern
	}
	messages, err := jetstreamext.GetLastMsgsFor(ctx, b.js, b.streamName(), subjects)
	if err != nil {
		return nil, fmt.Errorf("list %ss: %w", b.cfg.Name, err)
	}
	var entries []Entry[T]
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list %ss: %w", b.cfg.Name, err)
		}
		if len(msg.Data) > 0 {
			entries = append(entries, b.decode(strings.TrimPrefix(msg.Subject, b.cfg.Prefix), msg))
		}
	}
	// The iteration ends without an error when ctx ends.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list %ss: %w", b.cfg.Name, err)
	}
	return entries, nil
}

// Purge removes values without leaving markers; pattern may contain wildcards. A missing value is no error. It costs one request.
//
// NATS does not sync the removal of a replaced value to disk: a server that is killed right after the purge of an updated value
// may restore the previous one. Delete does not have this problem.
func (b *Bucket[T]) Purge(ctx context.Context, pattern string) error {
	return b.purge(ctx, pattern)
}

// PurgeRevision is like Purge for one key but keeps a value that was written after revision.
func (b *Bucket[T]) PurgeRevision(ctx context.Context, key string, revision uint64) error {
	return b.purge(ctx, key, jetstream.WithPurgeSequence(revision+1))
}

func (b *Bucket[T]) purge(ctx context.Context, pattern string, opts ...jetstream.StreamPurgeOpt) error {
	if err := b.stream.Purge(ctx, append(opts, jetstream.WithPurgeSubject(b.cfg.Prefix+pattern))...); err != nil {
		return fmt.Errorf("remove %s: %w", b.cfg.Name, err)
	}
	return nil
}

// Delete replaces the value with the given revision by an empty marker. It fails with ErrConflict when the value was written
// after that. It costs one acknowledged publish.
func (b *Bucket[T]) Delete(ctx context.Context, key string, revision uint64) error {
	marker := nats.NewMsg(b.cfg.Prefix + key)
	marker.Header.Set("KV-Operation", "PURGE")
	if _, err := b.js.PublishMsg(ctx, marker, jetstream.WithExpectLastSequencePerSubject(revision)); err != nil {
		return fmt.Errorf("delete %s: %w", b.cfg.Name, classify(err))
	}
	return nil
}

func (b *Bucket[T]) streamName() string { return b.stream.CachedInfo().Config.Name }
