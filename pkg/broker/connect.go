package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	pingInterval    = 10 * time.Second
	drainTimeout    = 10 * time.Second
	// syncQueue is how many messages a synchronous subscription can hold, such as each request for several messages makes, whose
	// response the server limits to 1,024. The client allocates eight bytes for each of them; by default half a megabyte.
	syncQueue = 2048
)

// connectWithWorkerKey connects with the key of an embedded NATS on this machine, if there is one, and without it if the
// server supports no keys, because it is another one.
func (b *Broker) connectWithWorkerKey(ctx context.Context) error {
	found := b.cfg.findWorkerKey()
	if found == "" {
		return b.connect(ctx)
	}
	b.cfg.Creds = found
	err := b.connect(ctx)
	if !errors.Is(err, nats.ErrNkeysNotSupported) {
		return err
	}
	b.nc.Close()
	<-b.closed
	b.cfg.Creds, b.closed = "", make(chan struct{})
	return b.connect(ctx)
}

// connect connects and waits until the connection is established. Afterwards the connection reconnects indefinitely, even
// while NATS refuses the credentials. A refusal at the start is an error, because the wait would go unnoticed.
func (b *Broker) connect(ctx context.Context) error {
	connected, refused := make(chan struct{}, 1), make(chan error, 1)
	opts := b.options(connected, refused)
	if b.cfg.Creds != "" {
		option, err := credentials(b.cfg.Creds)
		if err != nil {
			return err
		}
		opts = append(opts, option)
	}
	nc, err := nats.Connect(b.cfg.URL.Reveal(), opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	b.nc = nc
	if nc.IsConnected() {
		return nil
	}
	began := time.Now()
	b.log.ErrorContext(ctx, "NATS cannot be reached, waiting for it", "servers", b.cfg.hosts(), "error", lastError(nc))
	remind := time.NewTicker(b.cfg.hooks.RemindInterval)
	defer remind.Stop()
	for !nc.IsConnected() {
		select {
		case <-connected:
		case <-remind.C:
			b.log.ErrorContext(ctx, "still waiting for NATS", "servers", b.cfg.hosts(),
				"waited_seconds", int(time.Since(began).Seconds()), "error", lastError(nc))
		case err := <-refused:
			return fmt.Errorf("connect to NATS: the credentials are refused (%s): %w", b.cfg.credentialsHint(), err)
		case <-ctx.Done():
			return fmt.Errorf("connect to NATS: %w (last attempt: %w)", context.Cause(ctx), lastError(nc))
		}
	}
	b.log.InfoContext(ctx, "connected to NATS", "waited_seconds", int(time.Since(began).Seconds()))
	return nil
}

func (b *Broker) options(connected chan<- struct{}, refused chan<- error) []nats.Option {
	var refusals atomic.Int64
	opts := []nats.Option{
		nats.Name("text2image-audio"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		// Without it the second refusal in a row would close the connection permanently.
		nats.IgnoreAuthErrorAbort(),
		nats.PingInterval(pingInterval),
		nats.DrainTimeout(drainTimeout),
		nats.SyncQueueLen(syncQueue),
		nats.ConnectHandler(func(*nats.Conn) {
			select {
			case connected <- struct{}{}:
			default:
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if !isRefusal(err) {
				return
			}
			select {
			case refused <- err:
			default:
			}
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				b.log.Error("NATS connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			refusals.Store(0)
			b.log.Info("NATS connection is back", "server", nc.ConnectedServerName())
			// NATS may have lost data.
			b.TriggerReconcile()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			b.denials.note(err)
			subject, level := "", slog.LevelError
			if sub != nil {
				subject = sub.Subject
			}
			// Every reconnect attempt at a server that refuses causes one of these.
			if isRefusal(err) && refusals.Add(1) > 1 {
				level = slog.LevelDebug
			}
			b.log.Log(context.Background(), level, "NATS reported an error", "error", err, "subject", subject)
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	if b.embedded != nil {
		opts = append(opts, nats.InProcessServer(b.embedded))
		opts = append(opts, b.cfg.ownCredentials()...)
	}
	if b.cfg.Follower && !b.cfg.Embedded() {
		// The worker key allows no other inbox.
		opts = append(opts, nats.CustomInboxPrefix(workerInbox))
	}
	return opts
}

func lastError(nc *nats.Conn) error {
	if err := nc.LastError(); err != nil {
		return err
	}
	return nats.ErrNoServers
}
