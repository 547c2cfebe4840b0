package broker

import "context"

// background is a goroutine that runs until stop and can be woken.
type background struct {
	wakeups chan struct{}
	cancel  context.CancelFunc
	done    chan struct{}
}

func newBackground() background { return background{wakeups: make(chan struct{}, 1)} }

// start calls run in a new goroutine. run returns when its context ends.
func (g *background) start(run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel, g.done = cancel, make(chan struct{})
	go func() {
		defer close(g.done)
		run(ctx)
	}()
}

// stop ends the goroutine and waits for it. It does nothing if start was not called.
func (g *background) stop() {
	if g.cancel != nil {
		g.cancel()
		<-g.done
	}
}

// wake makes a value available in wakeups. It does not wait.
func (g *background) wake() {
	select {
	case g.wakeups <- struct{}{}:
	default:
	}
}
