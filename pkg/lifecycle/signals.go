package lifecycle

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// UntilSignal returns a context that ends with the first signal to stop the process: SIGINT, SIGTERM, or SIGHUP when its terminal
// is closed, unless SIGHUP was ignored at the start, as by nohup. A second SIGINT or SIGTERM ends the process at once.
func UntilSignal(ctx context.Context) context.Context {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	context.AfterFunc(ctx, func() {
		// A closed terminal sends SIGHUP twice: the shell passes it on, and the kernel sends it when the shell has ended.
		signal.Ignore(syscall.SIGHUP)
		stop()
	})
	return ctx
}
