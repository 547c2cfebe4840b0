package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
)

// An operator pauses submissions, and only one process at a time holds a lease.
func Example() {
	if err := coordinate(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// accepting: true
	// accepting: false
	// another process holds the lease
}

func coordinate(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(ctx, broker.Config{DataDir: dir}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	store, err := control.Open(ctx, b)
	if err != nil {
		return err
	}

	c := control.NewController(store, log, func(v control.View) {
		_, accepting := v.Accepting(time.Now())
		fmt.Println("accepting:", accepting)
	})
	if err := c.Start(ctx); err != nil {
		return err
	}
	_, _, err = c.SetSwitch(ctx, control.Switch{Name: control.SwitchAccept, Value: control.SwitchOff})
	c.Stop()
	if err != nil {
		return err
	}

	if _, _, err := store.AcquireLease(ctx, "sweeper", time.Minute, time.Minute); err != nil {
		return err
	}
	if _, _, err := store.AcquireLease(ctx, "sweeper", time.Minute, time.Minute); !errors.Is(err, control.ErrLeased) {
		return fmt.Errorf("acquired twice: %w", err)
	}
	fmt.Println(control.ErrLeased)
	return nil
}
