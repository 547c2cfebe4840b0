package quota_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// A guest may request three images per day. A charge whose job cannot be created is released.
func ExampleQuota_Charge() {
	if err := chargeGuest(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 left
	// the quota of the day is exceeded
	// 3 left
}

func chargeGuest(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "quota")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: "1m"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()

	now := time.Now() // All requests are on the same day.
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: quota.Limits{PerDay: 3}}}, func() time.Time { return now })
	key := quota.Key{Group: quota.GroupMedia, Lane: job.LaneGuest, Owner: "guest-1"}
	reservation, err := q.Charge(ctx, key, "job-1", 2)
	if err != nil {
		return err
	}
	fmt.Println(reservation.Usage[0].Remaining(), "left")
	if _, err := q.Charge(ctx, key, "job-2", 2); err != nil {
		fmt.Println(err)
	}
	if err := reservation.Release(ctx); err != nil {
		return err
	}
	usage, err := q.Usage(ctx, key)
	if err != nil {
		return err
	}
	fmt.Println(usage[0].Remaining(), "left")
	return nil
}
