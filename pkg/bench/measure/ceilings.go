//go:build linux

package measure

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The names of the ceilings.
const (
	ceilingGin     = "Gin, constant response"
	ceilingPublish = "JetStream publishes/s"
	ceilingFsync   = "fsyncs/s, one file"
)

// startCeiling starts the server with constant responses.
func (b *bench) startCeiling(ctx context.Context) (*process, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	// The program that runs serves the ceilings too, but in a process of its own, as the API.
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start ceiling: %w", err)
	}
	p, err := startProcess(ctx, addr, b.path("ceiling.log"), nil, self, CeilingCommand, addr)
	if err != nil {
		return nil, fmt.Errorf("start ceiling: %w", err)
	}
	return p, nil
}

// acceptance is how a server that does nothing else accepts jobs.
type acceptance struct {
	perSecond     float64
	cpuPerRequest time.Duration
	peak          float64
}

// acceptCeiling measures how fast Gin answers a constant 202 to the same requests from the same clients.
func (b *bench) acceptCeiling(ctx context.Context) (acceptance, error) {
	p, err := b.startCeiling(ctx)
	if err != nil {
		return acceptance{}, err
	}
	defer p.kill()
	c := newClient(p.url())
	defer c.close()
	post := func(ctx context.Context, i int) error {
		return c.send(ctx, http.MethodPost, "/accept", "", submission(i), http.StatusAccepted, io.Discard)
	}
	if err := parallel(ctx, connections, connections, post); err != nil {
		return acceptance{}, err
	}
	before, err := p.cpu()
	if err != nil {
		return acceptance{}, err
	}
	d, began := b.cfg.duration(2*time.Second, 200*time.Millisecond), time.Now()
	perSecond, err := rate(ctx, d, post)
	if err != nil {
		return acceptance{}, err
	}
	requests := perSecond * time.Since(began).Seconds()
	after, err := p.cpu()
	if err != nil {
		return acceptance{}, err
	}
	peak, err := p.peak()
	if err != nil {
		return acceptance{}, err
	}
	return acceptance{perSecond, time.Duration(float64(after-before) / requests), peak}, p.stop()
}

// specBytes is about the size of a queued job.
const specBytes = 600

// publishCeiling measures how many messages of the size of a job JetStream stores per second, in a store of its own, for as many
// publishers as there are clients.
func (b *bench) publishCeiling(ctx context.Context, sync string) (perSecond float64, err error) {
	dir := b.path("publish-" + sync)
	br, err := broker.Open(ctx, broker.Config{DataDir: dir, Sync: sync}, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, fmt.Errorf("open broker: %w", err)
	}
	defer func() {
		if closeErr := br.Close(context.WithoutCancel(ctx)); err == nil && closeErr != nil {
			err = fmt.Errorf("close broker: %w", closeErr)
		}
		_ = os.RemoveAll(dir)
	}()
	data, js := []byte(strings.Repeat("x", specBytes)), br.JetStream()
	return rate(ctx, b.cfg.duration(2*time.Second, 200*time.Millisecond), func(ctx context.Context, _ int) error {
		subject := broker.JobSubject(job.KindImage, job.LaneGuest, job.OwnerAnonymous, uuid.NewString())
		if _, err := js.Publish(ctx, subject, data); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		return nil
	})
}

// fsyncCeiling measures how many appends of the size of a job the disk makes durable one after the other per second.
func (b *bench) fsyncCeiling(ctx context.Context) (perSecond float64, err error) {
	const appendBytes = 800
	f, err := os.CreateTemp(b.measurementDir(), "fsync-")
	if err != nil {
		return 0, fmt.Errorf("create file: %w", err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}()
	data := make([]byte, appendBytes)
	d, began, n := b.cfg.duration(time.Second, 100*time.Millisecond), time.Now(), 0
	for ; n == 0 || time.Since(began) < d; n++ {
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		if _, err := f.Write(data); err != nil {
			return 0, fmt.Errorf("append: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("fsync: %w", err)
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
