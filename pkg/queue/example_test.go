package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// A job is pushed, delivered to a worker, returned to the queue, delivered again and acknowledged.
func Example() {
	if err := pushAndPull(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// pushed: 0 jobs ahead
	// j1, delivery 1
	// j1, delivery 2
	// acknowledged: not in the queue
}

func pushAndPull(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "queue")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: "1m"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	q, err := queue.New(ctx, b)
	if err != nil {
		return err
	}

	spec := image("j1")
	receipt, err := q.Push(ctx, spec, false)
	if err != nil {
		return err
	}
	positions, err := q.Positions(ctx, spec.Kind, spec.Lane, []uint64{receipt.Sequence})
	if err != nil {
		return err
	}
	fmt.Println("pushed:", positions.Ahead[receipt.Sequence], "jobs ahead")

	lane, err := q.Lane(ctx, job.KindImage, job.LaneMember)
	if err != nil {
		return err
	}
	puller, err := q.Puller()
	if err != nil {
		return err
	}
	defer puller.Close()
	d, err := puller.Pull(lane, 10*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("%s, delivery %d\n", d.ID, d.Count)
	if err := d.NakWithDelay(100 * time.Millisecond); err != nil {
		return err
	}
	if d, err = puller.Pull(lane, 10*time.Second); err != nil {
		return err
	}
	fmt.Printf("%s, delivery %d\n", d.ID, d.Count)
	if err := d.Ack(ctx); err != nil {
		return err
	}
	_, err = q.Find(ctx, spec.Owner, spec.ID)
	fmt.Println("acknowledged:", err)
	return nil
}
