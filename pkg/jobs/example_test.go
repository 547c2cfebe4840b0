package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// A job that no worker has started is canceled; canceling it again is not an error.
func Example() {
	if err := submitAndCancel(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// queued
	// canceled before_start
	// canceled again: <nil>
}

func submitAndCancel(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "jobs")
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
	results, err := store.New(ctx, b)
	if err != nil {
		return err
	}
	service := jobs.New(b, q, results)

	id, created, err := jobs.NewID()
	if err != nil {
		return err
	}
	snap, _, err := service.Enqueue(ctx, &job.Spec{
		ID: id, Kind: job.KindPrompt, Lane: job.LaneMember, Owner: "ann", Input: &job.TextInput{Text: "a lighthouse at dawn"},
		CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 3, Fingerprint: "f",
	}, false)
	if err != nil {
		return err
	}
	fmt.Println(snap.Status())

	snap, err = service.Cancel(ctx, []string{"ann"}, id)
	if err != nil {
		return err
	}
	fmt.Println(snap.Status(), snap.Record.Cancel)
	_, err = service.Cancel(ctx, []string{"ann"}, id)
	fmt.Println("canceled again:", err)
	return nil
}
