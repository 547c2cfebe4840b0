package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	consumerName = "webhooks"
	// slots bounds the attempts that a process makes at once.
	slots = 32
	// ackWait is how long a process may work on a delivery before another gets it: longer than an attempt and its writes.
	ackWait = 40 * time.Second
	// writeTimeout bounds the reads and writes before and after an attempt.
	writeTimeout = 10 * time.Second
	// earlyTolerance is how early an attempt may be made, and maxRecheck how long a delivery is away before its time is checked
	// again, since the clock may be set.
	earlyTolerance = 250 * time.Millisecond
	maxRecheck     = time.Hour
	// newerDelay delays a delivery that a newer version has stored, until a process of that version gets it.
	newerDelay = time.Minute
	// restartPause is the pause before deliveries are requested again after a failure.
	restartPause = time.Second
	// stopGrace is how long a stop waits for attempts. One that is interrupted is made again, with the same id.
	stopGrace = 2 * time.Second
)

// The outcomes of attempts in metrics.
const (
	outcomeDelivered = "delivered"
	outcomeRetry     = "retry"
	outcomeFailed    = "failed"
	outcomeDisabled  = "disabled"
)

// Deps holds what a Deliverer needs.
type Deps struct {
	// View returns a job as the API shows it to its owner.
	View func(*job.Snapshot) any
	// Deleted reports whether the account of an owner was deleted.
	Deleted func(ctx context.Context, owner string) (bool, error)
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Schedule replaces the delays between attempts, for tests.
	Schedule []time.Duration
}

// Deliverer makes the attempts that are due. Every API process has one; NATS distributes the deliveries among them.
type Deliverer struct {
	*Service
	Deps
	sender  *sender
	pacer   *pacer
	slots   chan struct{}
	random  func() float64
	stop    context.CancelFunc
	abort   context.CancelFunc
	running sync.WaitGroup
	done    chan struct{}
}

// NewDeliverer returns a deliverer that does nothing until Start.
func NewDeliverer(s *Service, deps Deps) *Deliverer {
	version, _, _ := telemetry.Version()
	if deps.Schedule == nil {
		deps.Schedule = schedule()
	}
	for _, outcome := range []string{outcomeDelivered, outcomeRetry, outcomeFailed, outcomeDisabled} {
		deps.Metrics.WebhookDeliveries.WithLabelValues(outcome)
	}
	deps.Metrics.Panics.WithLabelValues("webhook")
	return &Deliverer{
		Service: s, Deps: deps, sender: newSender(s.guard, version, s.now), pacer: newPacer(s.now), slots: make(chan struct{}, slots),
		random: rand.Float64, done: make(chan struct{}),
	}
}

// Start starts to make attempts. Without deliveries it costs NATS one request in half a minute.
func (d *Deliverer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	attempts, abort := context.WithCancel(context.Background())
	d.stop, d.abort = stop, abort
	go func() {
		defer close(d.done)
		failing := false
		for ctx.Err() == nil {
			err := d.receive(ctx, attempts)
			switch {
			case ctx.Err() != nil:
			case err != nil && !failing:
				failing = true
				d.Log.WarnContext(ctx, "cannot receive deliveries of webhooks", slog.Any("error", err))
			case err == nil:
				failing = false
			}
			lifecycle.Sleep(ctx, restartPause)
		}
	}()
}

// Stop stops making attempts. It waits a little for those in progress. It may be called before Start.
func (d *Deliverer) Stop(ctx context.Context) error {
	if d.stop == nil {
		return nil
	}
	d.stop()
	finished := make(chan struct{})
	go func() {
		<-d.done
		d.running.Wait()
		close(finished)
	}()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-finished:
		return nil
	case <-grace.C:
	case <-ctx.Done():
	}
	d.abort()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop webhooks: %w", context.Cause(ctx))
	}
}

// receive passes deliveries to attempts until ctx ends or an error occurs. It declares the consumer, which is lost with the
// stream. If all of it is lost, every stored delivery is received again, and most are finished.
func (d *Deliverer) receive(ctx, attempts context.Context) error {
	consumer, err := d.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy, AckWait: ackWait,
		MaxAckPending: -1, MaxDeliver: -1,
	})
	if err != nil {
		return fmt.Errorf("declare consumer: %w", err)
	}
	// A message that waits for a slot must not wait for longer than ackWait, so only one does.
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return fmt.Errorf("receive deliveries: %w", err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		msg, err := messages.Next()
		if err != nil {
			<-d.slots
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("receive deliveries: %w", err)
		}
		run := d.accept(attempts, msg)
		if run == nil {
			<-d.slots
			continue
		}
		d.running.Go(func() {
			defer func() { <-d.slots }()
			run()
		})
	}
}

// accept returns the function that makes the attempt of a message, or nil if none is due.
func (d *Deliverer) accept(ctx context.Context, msg jetstream.Msg) (run func()) {
	meta, err := msg.Metadata()
	if err != nil {
		d.reply(ctx, msg.Term())
		return nil
	}
	if len(msg.Data()) == 0 {
		d.reply(ctx, msg.Ack())
		return nil
	}
	delivery := new(Delivery)
	if err = json.Unmarshal(msg.Data(), delivery); err == nil {
		err = delivery.check()
	}
	switch {
	case errors.Is(err, kv.ErrNewer):
		d.reply(ctx, msg.NakWithDelay(newerDelay))
		return nil
	case err != nil:
		d.Log.ErrorContext(ctx, "cannot read delivery of webhook", slog.Uint64("sequence", meta.Sequence.Stream))
		d.reply(ctx, msg.Term())
		return nil
	case delivery.State != StatePending:
		d.reply(ctx, msg.Ack())
		return nil
	}
	if next := delivery.NextAttemptAt; next != nil {
		if wait := next.Sub(d.now()); wait > earlyTolerance {
			d.reply(ctx, msg.NakWithDelay(min(wait, maxRecheck)))
			return nil
		}
	}
	done, wait := d.pacer.begin(delivery.host(), delivery.Owner)
	if done == nil {
		d.reply(ctx, msg.NakWithDelay(wait))
		return nil
	}
	return func() {
		defer done()
		defer d.recoverPanic(ctx, delivery)
		err := d.attempt(ctx, delivery, meta.Sequence.Stream)
		switch {
		case err == nil, errors.Is(err, kv.ErrConflict):
			// In a conflict the delivery was requested again, another process was faster, or the owner was erased.
			d.reply(ctx, msg.Ack())
		case ctx.Err() != nil:
			d.reply(ctx, msg.Nak())
		default:
			// The delivery comes back after ackWait.
			d.Log.WarnContext(ctx, "webhook left for redelivery", slog.String("delivery", delivery.ID), slog.Any("error", err))
		}
	}
}

// recoverPanic keeps the process alive when an attempt panics. The delivery comes back after ackWait.
func (d *Deliverer) recoverPanic(ctx context.Context, delivery *Delivery) {
	if reason := recover(); reason != nil {
		d.Metrics.Panics.WithLabelValues("webhook").Inc()
		d.Log.ErrorContext(ctx, "webhook panicked", slog.String("delivery", delivery.ID), slog.Any("panic", reason),
			slog.String("stack", string(debug.Stack())))
	}
}

// reply logs a failed reply to NATS, which only means that the message comes back.
func (d *Deliverer) reply(ctx context.Context, err error) {
	if err != nil {
		d.Log.DebugContext(ctx, "cannot reply to a delivery of a webhook", slog.Any("error", err))
	}
}

// attempt sends an event and stores the outcome in place of the state with the given revision.
func (d *Deliverer) attempt(ctx context.Context, delivery *Delivery, revision uint64) error {
	read, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	deleted, err := d.Deleted(read, delivery.Owner)
	if err != nil {
		return fmt.Errorf("look for the account: %w", err)
	}
	if deleted {
		return nil // The erasure removes it.
	}
	set, err := d.read(read, delivery.Owner)
	if err != nil {
		return err
	}
	if delivery.Event != EventPing && set.disabled(delivery.URL) {
		delivery.State, delivery.NextAttemptAt = StateDisabled, nil
		return d.store(ctx, delivery, revision)
	}
	if err := delivery.render(d.View); err != nil {
		return err
	}
	r := d.sender.send(ctx, delivery, d.keys(delivery.Owner, set))
	if ctx.Err() != nil {
		return context.Cause(ctx) // The process stops, and has interrupted the request.
	}
	delivery.conclude(r, d.now(), d.Schedule, d.random())
	d.observe(ctx, delivery)
	if err := d.follow(ctx, delivery, set); err != nil {
		return err
	}
	return d.store(ctx, delivery, revision)
}

// follow disables or enables the URL, as the outcome of an attempt demands.
func (d *Deliverer) follow(ctx context.Context, delivery *Delivery, set *settings) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	switch {
	case delivery.State == StateDisabled:
		return d.disable(ctx, delivery.Owner, delivery.URL)
	case delivery.State == StateDelivered && set.disabled(delivery.URL):
		return d.enable(ctx, delivery.Owner, delivery.URL)
	}
	return nil
}

func (d *Deliverer) store(ctx context.Context, delivery *Delivery, revision uint64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	_, err := d.deliveries.Update(ctx, broker.WebhookSubject(delivery.Owner, delivery.ID), *delivery, revision)
	return err
}

// observe counts and logs an attempt. Neither the path and the query of the URL nor the body appear.
func (d *Deliverer) observe(ctx context.Context, delivery *Delivery) {
	outcome, level := outcomeRetry, slog.LevelInfo
	switch delivery.State {
	case StateDelivered:
		outcome, level = outcomeDelivered, slog.LevelDebug
	case StateFailed:
		outcome = outcomeFailed
	case StateDisabled:
		outcome = outcomeDisabled
	case StatePending:
	}
	d.Metrics.WebhookDeliveries.WithLabelValues(outcome).Inc()
	d.Log.Log(telemetry.WithJobID(ctx, delivery.JobID), level, "webhook attempted", slog.String("delivery", delivery.ID),
		slog.String("event", string(delivery.Event)), slog.String("host", delivery.host()), slog.String("outcome", outcome),
		slog.Int("status", delivery.LastStatus), slog.String("failure", string(delivery.LastFailure)), slog.Int("attempt", delivery.Attempts))
}
