package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// An embedded NATS stores a queued job and counts the jobs of its owner.
func Example() {
	if err := queueJob(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// jobs.image.guest.alice.42 {}
	// 1 job of alice
}

func queueJob(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "broker")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := broker.Open(ctx, broker.Config{DataDir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()

	js := b.JetStream()
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "alice", "42")
	if _, err := js.Publish(ctx, subject, []byte("{}")); err != nil {
		return err
	}
	msg, err := broker.LeaderLast(ctx, js, broker.StreamJobs, broker.AnyJobSubject("alice", "42"))
	if err != nil {
		return err
	}
	fmt.Println(msg.Subject, string(msg.Data))
	n, err := broker.CountFrom(ctx, js, broker.StreamJobs, broker.OwnerJobsSubject("alice"), 1)
	if err != nil {
		return err
	}
	fmt.Println(n, "job of alice")
	return nil
}
