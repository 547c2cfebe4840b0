package app

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// defaultStartupGrace is how long a start may take before the port is opened anyway.
const defaultStartupGrace = 10 * time.Second

// openBroker opens the broker. While a process starts its port stays closed, so that it receives no requests that it cannot
// serve. But an external NATS may be unreachable for long, and a supervisor has to see that the process is alive: after
// StartupGrace the port is opened, and shut closes it. shut is nil while the port is closed.
func (a *App) openBroker(ctx context.Context, door *server.StartupHandler) (b *broker.Broker, shut func(context.Context) error, err error) {
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
	grace := a.cfg.StartupGrace
	if grace == 0 {
		grace = defaultStartupGrace
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-opened:
		return b, nil, err
	case <-timer.C:
	}
	shut, listenErr := a.listen(context.WithoutCancel(ctx), door)
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
	return b, shut, err
}
