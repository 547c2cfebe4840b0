package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Broker is a connection to NATS that has all declared streams, buckets and consumers.
type Broker struct {
	cfg      Config
	log      *slog.Logger
	embedded *embedded
	nc       *nats.Conn
	js       jetstream.JetStream
	// checked is js for other packages: its publishes fail while the disk fails and return when they are durable. Those of
	// buffered do not wait for that.
	checked    *checkedJetStream
	buffered   *checkedJetStream
	closed     chan struct{}
	reconciler reconciler
	denials    denials
	storage    storage
	verifier   background
}

// declareTimeout bounds the declaration of streams, buckets and consumers, during which a new cluster elects leaders.
const declareTimeout = time.Minute

// Open starts or connects to NATS, checks that it is suitable and declares streams, buckets and consumers. It waits until
// ctx ends for an external NATS that is unreachable, and logs that. It fails with ErrInUse when another process holds the
// data directory, with ErrUnsuitable when the server is too old or lacks JetStream, with ErrMigrationNeeded when a stream
// would have to change irreversibly, with a *filestore.DamageError when starting on the damaged store of the embedded NATS
// would lose data, and with ErrRestoreUnfinished when a backup was restored in part.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Broker, error) {
	return openBroker(ctx, cfg, log, true)
}

// openBroker opens a broker. If declares is set, it declares streams, buckets and consumers and reconciles them.
func openBroker(ctx context.Context, cfg Config, log *slog.Logger, declares bool) (*Broker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.deferVerification = declares
	b := newBroker(cfg, log)
	err := b.dial(ctx)
	if err == nil && declares {
		err = b.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

func newBroker(cfg Config, log *slog.Logger) *Broker {
	return &Broker{
		cfg: cfg, log: log, closed: make(chan struct{}),
		reconciler: reconciler{background: newBackground()},
		storage:    storage{background: newBackground()},
		verifier:   newBackground(),
	}
}

// dial starts an embedded NATS, connects to NATS and checks that it is suitable.
func (b *Broker) dial(ctx context.Context) error {
	if b.cfg.Embedded() {
		keys, err := loadServerKeys(b.cfg)
		if err != nil {
			return err
		}
		b.cfg.serverKeys = keys
		e, err := startEmbedded(b.cfg, b.log, b.writeFailed)
		if err != nil {
			return err
		}
		b.embedded = e
		b.logRecovery(e.recovered)
	}
	if err := b.connectWithWorkerKey(ctx); err != nil {
		return err
	}
	js, err := jetstream.New(b.nc, jetstream.WithPublishAsyncMaxPending(maxPublishes), jetstream.WithPublishAsyncTimeout(forgetTimeout))
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	b.js = js
	publisher, err := newPublisher(b.nc, b.closed)
	if err != nil {
		return err
	}
	buffered := checkedJetStream{
		JetStream: js, publisher: publisher, fault: b.StorageFault, observer: b.cfg.Observer, alone: b.Alone(), closed: b.closed,
	}
	if b.Alone() {
		buffered.recent = &recentReads{age: b.cfg.hooks.RecentAge}
	}
	checked := buffered
	checked.durable, checked.server = b.durableSince, b.GroupCommitServer
	b.buffered, b.checked = &buffered, &checked
	if b.embedded != nil {
		if err := b.answerDurable(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	return retry(ctx, func(ctx context.Context) error { return checkServer(ctx, b.nc, js) })
}

// checkStore fails when a backup was restored in part or a stream of the embedded NATS is missing. It changes
// nothing.
func (b *Broker) checkStore(ctx context.Context) error {
	if !b.cfg.Follower {
		if err := retry(ctx, b.checkRestore); err != nil {
			return err
		}
	}
	if b.embedded != nil {
		return b.verifyStreams(ctx)
	}
	return nil
}

// prepare declares streams, buckets and consumers and starts reconciling them.
func (b *Broker) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	if err := b.checkStore(ctx); err != nil {
		return err
	}
	if b.embedded != nil {
		if err := b.verifyConsumers(ctx); err != nil {
			return err
		}
	}
	if err := b.declareAll(ctx); err != nil {
		return err
	}
	if b.embedded != nil {
		if err := b.ensureGroupCommit(ctx); err != nil {
			return err
		}
		durability, reason := b.Durability()
		b.log.InfoContext(ctx, "writes are durable", "by", string(durability), "reason", reason)
		b.recordStore()
		if err := b.recordRecovery(ctx, b.embedded.recovered); err != nil {
			return err
		}
		b.storage.start(b.watchStorage)
		b.verifier.start(b.verifyStore)
	}
	return retry(ctx, b.startReconciler)
}

// declareAll declares streams, buckets and consumers until NATS answers or ctx ends.
func (b *Broker) declareAll(ctx context.Context) error {
	return retry(ctx, func(ctx context.Context) error { return declare(ctx, b.js, b.cfg, b.log) })
}

// Conn returns the connection.
func (b *Broker) Conn() *nats.Conn { return b.nc }

// Connection reports whether NATS is connected and how often it was reconnected. It makes no request.
func (b *Broker) Connection() (connected bool, reconnects uint64) {
	return b.nc.IsConnected(), b.nc.Stats().Reconnects
}

// JetStream returns the JetStream context of the connection. Its Publish and PublishMsg, and Purge and DeleteMsg of its
// streams, return when the change is durable as Durability says. The publishes fail at once with ErrDiskFull or ErrDiskFailed
// while the embedded server cannot write. Batches are not covered: they need Durable.
func (b *Broker) JetStream() jetstream.JetStream { return b.checked }

// Send publishes a message as JetStream does, but does not wait for the acknowledgement. The caller waits for that, or calls Forget.
func (b *Broker) Send(msg *nats.Msg) (*Sent, error) {
	return b.checked.send(msg)
}

// SendBuffered is Send for Buffered.
func (b *Broker) SendBuffered(msg *nats.Msg) (*Sent, error) {
	return b.buffered.send(msg)
}

// Buffered is JetStream without waiting for the disk. What it stores survives a kill of every process, but a power failure
// may lose it, until a later durable write to the same stream or a call of Durable has returned.
func (b *Broker) Buffered() jetstream.JetStream { return b.buffered }

// Config returns the effective configuration.
func (b *Broker) Config() Config { return b.cfg }

// AckWait returns how long a job may go without a heartbeat of its worker before it is redelivered.
func (b *Broker) AckWait() time.Duration { return b.cfg.hooks.AckWait }

// ClientURL returns the URL for workers in other processes, or "" when the embedded server has no port or NATS is external.
func (b *Broker) ClientURL() string {
	if b.embedded == nil || b.cfg.Listen == "" {
		return ""
	}
	return b.embedded.clientURL()
}

// Alone reports whether the only server is that of this process, so that no replica can be behind.
func (b *Broker) Alone() bool { return b.embedded != nil }

// Check fails unless NATS can be used now: it is connected, its disk accepts writes, its JetStream responds, and everything is
// declared. It fails with ErrDiskFull or ErrDiskFailed, with ErrNoQuorum while the cluster has no leader, and with
// ErrIncomplete while something is missing.
func (b *Broker) Check(ctx context.Context) error {
	if err := b.StorageFault(); err != nil {
		return err
	}
	if !b.nc.IsConnected() {
		return fmt.Errorf("not connected to NATS: %s", b.nc.Status())
	}
	if _, err := b.js.AccountInfo(ctx); NoQuorum(err) {
		return fmt.Errorf("%w: %w", ErrNoQuorum, err)
	} else if err != nil {
		return fmt.Errorf("check JetStream: %w", err)
	}
	if err := b.checkLeader(ctx, StreamJobs); err != nil {
		return err
	}
	if !b.Complete() {
		return ErrIncomplete
	}
	return nil
}

// Close flushes and closes the connection and stops the embedded server. It is safe on a broker
// that was opened in part. When ctx ends first the connection is closed without flushing.
func (b *Broker) Close(ctx context.Context) error {
	var err error
	b.verifier.stop()
	b.storage.stop()
	b.reconciler.stop()
	if b.nc != nil {
		err = b.drain(ctx)
	}
	if b.embedded != nil {
		b.embedded.stop(b.StorageFault)
	}
	return err
}

func (b *Broker) drain(ctx context.Context) error {
	err := b.nc.Drain()
	switch {
	case errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrConnectionClosed):
		b.nc.Close() // There is no connection to drain.
		return nil
	case err != nil:
		b.nc.Close()
		return fmt.Errorf("drain NATS: %w", err)
	}
	select {
	case <-b.closed:
		return nil
	case <-ctx.Done():
		b.nc.Close()
		return fmt.Errorf("drain NATS: %w", context.Cause(ctx))
	}
}
