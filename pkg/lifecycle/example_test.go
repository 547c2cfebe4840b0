package lifecycle_test

import (
	"context"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// The components of a process stop in the reverse order of their start.
func ExampleStack() {
	var running lifecycle.Stack
	for _, name := range []string{"store", "worker", "listener"} {
		running.Push(lifecycle.Step{Name: name, Stop: func(context.Context) error {
			fmt.Println("stop", name)
			return nil
		}})
	}
	if err := running.Stop(context.Background(), 10*time.Second); err != nil {
		fmt.Println(err)
	}
	// Output:
	// stop listener
	// stop worker
	// stop store
}

// A loop that pauses between its rounds and ends with its context.
func ExampleSleep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rounds := 0
	for lifecycle.Sleep(ctx, time.Millisecond) {
		if rounds++; rounds == 3 {
			cancel()
		}
	}
	fmt.Println(rounds, "rounds")
	// Output: 3 rounds
}
