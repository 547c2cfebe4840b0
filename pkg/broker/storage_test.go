package broker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const saysWrites = "NATS was restarted and writes to its disk again"

// TestDiskFailure makes a write of the server fail and the disk accept none for a while: publishes fail, and once the disk
// accepts writes the server is restarted while clients stay connected.
func TestDiskFailure(t *testing.T) {
	t.Parallel()
	cfg, log := brokertest.Config(t), newLines()
	cfg.Listen = "127.0.0.1:0"
	b, err := brokertest.Open(t, cfg, log)
	must(t, err)
	worker := brokertest.MustOpen(t, broker.Config{URL: env.Secret(b.ClientURL()), Follower: true})
	stored := filled(t, b)
	before, url := b.Server(), b.ClientURL()

	release := brokertest.HoldFull(t, cfg.DataDir)
	brokertest.FillDisk(t, cfg.DataDir, broker.StreamJobs)
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "owner", "refused")
	// The first publish is never answered.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.JetStream().Publish(ctx, subject, nil); err == nil {
		t.Error("a message that was not stored is acknowledged")
	}
	if _, err := b.JetStream().Publish(t.Context(), subject, nil); !broker.Unavailable(err) {
		t.Errorf("publish to a full disk: %v", err)
	}
	if err := b.Check(t.Context()); !errors.Is(err, broker.ErrDiskFull) && !errors.Is(err, broker.ErrDiskFailed) {
		t.Errorf("check: %v", err)
	}
	log.await(t, "NATS cannot write to its disk: nothing is accepted until it can")
	log.await(t, "NATS cannot be restarted yet")
	if err := b.Check(t.Context()); !errors.Is(err, broker.ErrDiskFailed) {
		t.Errorf("another disk error: %v", err)
	}
	if b.Server() != before {
		t.Error("the server was restarted although the disk accepts no writes")
	}
	release()
	log.await(t, saysWrites)
	awaitCheck(t, b)
	awaitCheck(t, worker)
	if b.Server() == before || b.ClientURL() != url {
		t.Errorf("the server was not restarted, or has another URL: %s, before %s", b.ClientURL(), url)
	}
	everything(t, b)
	holds(t, b, stored)
	if loss, err := b.LastDataLoss(t.Context()); loss != nil || err != nil {
		t.Errorf("the restart is reported as a loss: %+v, %v", loss, err)
	}
}

// TestDiskFull fills a real disk. All acknowledged messages are stored afterwards.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 24<<20)
	cfg, log := brokertest.Config(t), newLines()
	cfg.DataDir, cfg.Sync, cfg.MaxStoreMB = filepath.Join(dir, "data"), "always", 1000
	b, err := brokertest.Open(t, cfg, log)
	must(t, err)
	var acknowledged []string
	publish := func() error {
		subject := broker.JobSubject(job.KindImage, job.LaneGuest, "owner", fmt.Sprintf("job-%d", len(acknowledged)))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := b.JetStream().Publish(ctx, subject, make([]byte, 20<<10))
		if err == nil {
			acknowledged = append(acknowledged, subject)
		}
		return err
	}
	for round := range 2 {
		must(t, publish())
		filler := filepath.Join(dir, "filler")
		fill(t, filler)
		for end := time.Now().Add(hang); ; {
			if err := publish(); errors.Is(err, broker.ErrDiskFull) {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the full disk was not detected")
			}
		}
		if err := b.Check(t.Context()); !errors.Is(err, broker.ErrDiskFull) {
			t.Errorf("check: %v", err)
		}
		must(t, os.Remove(filler))
		log.await(t, saysWrites)
		awaitCheck(t, b)
		for _, subject := range acknowledged {
			if _, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.StreamJobs, subject); err != nil {
				t.Errorf("round %d: %s was acknowledged: %v", round, subject, err)
			}
		}
	}
}

// fill writes a file that leaves little free space on a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	size := int64(0)
	for chunk := make([]byte, 64<<10); ; {
		n, err := f.Write(chunk)
		size += int64(n)
		if err != nil {
			break
		}
	}
	must(t, f.Truncate(size-200<<10))
}
