package app

import (
	"cmp"
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// startupGrace is how long a start waits for an external NATS before it opens the port anyway.
const startupGrace = 10 * time.Second

// openBroker opens the broker. The port stays closed during a start, so that no requests arrive that cannot be served. But an
// external NATS may be unreachable for a long time, and a supervisor must see that the process is alive: openBroker opens
// the port after startupGrace and returns closePort. Otherwise closePort is nil.
func (a *App) openBroker(ctx context.Context, h *server.StartupHandler) (b *broker.Broker, closePort func(context.Context) error, err error) {
	if a.cfg.Broker.Embedded() {
		b, err = broker.Open(ctx, a.cfg.Broker, a.log)
		return b, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		b, err = broker.Open(ctx, a.cfg.Broker, a.log)
	}()
	timer := time.NewTimer(cmp.Or(a.cfg.hooks.StartupGrace, startupGrace))
	defer timer.Stop()
	select {
	case <-opened:
		return b, nil, err
	case <-timer.C:
	}
	closePort, listenErr := a.listen(context.WithoutCancel(ctx), h)
	if listenErr != nil {
		cancel()
	}
	<-opened
	if listenErr != nil {
		if b != nil {
			_ = b.Close(context.WithoutCancel(ctx))
		}
		return nil, nil, listenErr
	}
	return b, closePort, err
}
