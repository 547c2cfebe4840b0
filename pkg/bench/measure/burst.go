//go:build linux

package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// burst submits jobs as fast as they are accepted and waits until all have ended.
type burst struct {
	sync       string
	jobs, size int
	// members is the number of accounts that submit, with quotas; 0 means guests without.
	members int
}

// The figures of a burst.
const (
	figureAccepted = "accepted"
	figureJobs     = "end to end"
)

const (
	warmUpJobs = 200
	// finishedEvery is how often the number of finished jobs is read.
	finishedEvery = 10 * time.Millisecond
	finished      = "text2image_jobs_finished_total"
	syncs         = "text2image_store_sync_duration_seconds_count"
)

func (s burst) measure(ctx context.Context, b *bench) error {
	b.upstream.size.Store(int64(s.size))
	var settings []string
	if s.members > 0 {
		settings = metered()
	}
	a, err := b.startAPI(ctx, s.sync, b.path("data"), settings...)
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	tokens, err := a.signUp(ctx, min(s.members, b.cfg.count(s.members, 2)))
	if err != nil {
		return err
	}
	if _, err := a.burst(ctx, b.cfg.count(warmUpJobs, 8), tokens); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	result, err := a.burst(ctx, b.cfg.count(s.jobs, 16), tokens)
	if err != nil {
		return err
	}
	peak, err := a.peak()
	if err != nil {
		return err
	}
	if err := a.client.verify(ctx, result.jobs, s.size); err != nil {
		return err
	}
	if err := a.stop(); err != nil {
		return err
	}
	return s.report(ctx, b, result, peak)
}

// report measures the ceilings and adds the rows.
func (s burst) report(ctx context.Context, b *bench, r *burstResult, peak float64) error {
	gin, err := b.acceptCeiling(ctx)
	if err != nil {
		return err
	}
	publishes, err := b.publishCeiling(ctx, s.sync)
	if err != nil {
		return err
	}
	fsyncs := 0.0
	if s.sync == syncAlways {
		if fsyncs, err = b.fsyncCeiling(ctx); err != nil {
			return err
		}
	}
	ceilings := []Ceiling{{Name: ceilingGin, Value: gin.perSecond}, {Name: ceilingPublish, Value: publishes}, {Name: ceilingFsync, Value: fsyncs}}
	// What quotas cost is seen beside the same burst without them.
	alike := func(figure string) []Ceiling {
		if s.members == 0 {
			return ceilings
		}
		return append(ceilings[:len(ceilings):len(ceilings)],
			Ceiling{Name: "guests without quota", Value: b.figure(strings.Replace(b.name, "members", "burst", 1), figure)})
	}
	n := float64(len(r.jobs))
	b.add(figureAccepted, n/r.accepting.Seconds(), "jobs/s", alike(figureAccepted)...)
	b.add(figureJobs, n/r.all.Seconds(), "jobs/s", alike(figureJobs)...)
	b.add("CPU", milliseconds(r.cpu)/n, "ms/job", Ceiling{Name: ceilingGin, Value: milliseconds(gin.cpuPerRequest)})
	if r.syncs > 0 {
		b.add("fsyncs", r.syncs/n, "per job")
	}
	b.add("peak memory", peak/mib, "MiB", Ceiling{Name: ceilingGin, Value: gin.peak / mib})
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

type burstResult struct {
	jobs []accepted
	// accepting is the time until the last job was accepted, and all that until the last one has ended.
	accepting, all time.Duration
	cpu            time.Duration
	syncs          float64
	// ended is how many jobs have ended in all that time, including those that waited before.
	ended float64
}

// burst submits n jobs, by the owners of tokens in turn, and waits until all have ended.
func (a *api) burst(ctx context.Context, n int, tokens []string) (*burstResult, error) {
	r := &burstResult{jobs: make([]accepted, n)}
	before, err := a.metric(ctx, finished)
	if err != nil {
		return nil, err
	}
	syncsBefore, err := a.metric(ctx, syncs)
	if err != nil {
		return nil, err
	}
	cpuBefore, err := a.cpu()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	err = parallel(ctx, connections, n, func(ctx context.Context, i int) (err error) {
		token := ""
		if len(tokens) > 0 {
			token = tokens[i%len(tokens)]
		}
		r.jobs[i], err = a.client.submit(ctx, i, token)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.accepting = time.Since(began)
	after, err := a.awaitFinished(ctx, before+float64(n))
	if err != nil {
		return nil, err
	}
	r.all, r.ended = time.Since(began), after-before
	cpuAfter, err := a.cpu()
	if err != nil {
		return nil, err
	}
	syncsAfter, err := a.metric(ctx, syncs)
	if err != nil {
		return nil, err
	}
	r.cpu, r.syncs = cpuAfter-cpuBefore, syncsAfter-syncsBefore
	return r, nil
}

// awaitFinished waits until the process has ended n jobs, well or not, and returns how many it has ended.
func (a *api) awaitFinished(ctx context.Context, n float64) (float64, error) {
	for {
		got, err := a.metric(ctx, finished)
		if err != nil {
			return 0, err
		}
		if got >= n {
			return got, nil
		}
		if !lifecycle.Sleep(ctx, finishedEvery) {
			return 0, fmt.Errorf("%v of %v jobs have ended: %w", got, n, context.Cause(ctx))
		}
	}
}

// signUp creates accounts and returns their tokens.
func (a *api) signUp(ctx context.Context, n int) ([]string, error) {
	var tokens []string
	for i := range n {
		var data bytes.Buffer
		name := "member" + strconv.Itoa(i)
		body := fmt.Appendf(nil, `{"username":%q,"email":"%s@example.org","password":"correct horse battery staple"}`, name, name)
		if err := a.client.send(ctx, http.MethodPost, "/api/auth/register", "", body, http.StatusCreated, &data); err != nil {
			return nil, fmt.Errorf("sign up: %w", err)
		}
		var account struct {
			Token string `json:"token"`
		}
		if err := json.Unmarshal(data.Bytes(), &account); err != nil || account.Token == "" {
			return nil, fmt.Errorf("sign up: no token in the response: %w", err)
		}
		tokens = append(tokens, account.Token)
	}
	return tokens, nil
}
