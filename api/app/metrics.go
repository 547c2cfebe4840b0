package app

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// registerMetrics registers the metrics of the queue, dead letters, store and workers, and creates the series that alerts
// use, so that they exist before their first event.
func (a *App) registerMetrics() error {
	var kinds, lanes []string
	for _, kind := range job.Kinds() {
		kinds = append(kinds, string(kind))
	}
	for _, lane := range job.Lanes() {
		lanes = append(lanes, string(lane))
	}
	a.metrics.InitAPI(kinds, lanes, quota.Policies(), emailTemplates())
	return errors.Join(
		a.metrics.RegisterQueue(a.sampleQueue),
		a.metrics.RegisterDeadLetters(a.store.DeadLetterCount),
		a.metrics.RegisterStore(a.sampleStore),
		a.metrics.RegisterWorkers(func(ctx context.Context) ([]telemetry.WorkerSample, error) {
			workers, err := a.control.Workers(ctx)
			if err != nil {
				return nil, err
			}
			return workerSamples(workers, a.control.View(), time.Now()), nil
		}),
	)
}

func (a *App) sampleQueue(ctx context.Context) ([]telemetry.QueueSample, error) {
	states, err := a.queue.States(ctx)
	if err != nil {
		return nil, err
	}
	samples := make([]telemetry.QueueSample, 0, len(states))
	for _, s := range states {
		samples = append(samples, telemetry.QueueSample{
			Kind: string(s.Kind), Lane: string(s.Lane), Depth: s.Waiting, InFlight: s.InFlight, OldestAge: s.OldestAge,
		})
	}
	return samples, nil
}

func (a *App) sampleStore(ctx context.Context) (telemetry.StoreSample, error) {
	u, err := a.broker.Usage(ctx)
	if err != nil {
		return telemetry.StoreSample{}, err
	}
	return storeSample(u), nil
}

func storeSample(u broker.Usage) telemetry.StoreSample {
	sample := telemetry.StoreSample{
		FileBytes: u.FileBytes, FileLimit: u.FileLimit, MemoryBytes: u.MemoryBytes, MemoryLimit: u.MemoryLimit,
		DiskFree: u.DiskFree, DiskSize: u.DiskSize,
	}
	for _, s := range u.Streams {
		sample.Streams = append(sample.Streams, telemetry.StreamSample(s))
	}
	return sample
}

// workerSamples returns one sample for every kind, including kinds without workers.
func workerSamples(workers []control.Worker, view control.View, now time.Time) []telemetry.WorkerSample {
	var samples []telemetry.WorkerSample
	for _, kind := range job.Kinds() {
		sample := telemetry.WorkerSample{Kind: string(kind), Paused: view.Pauses[kind].Active(now)}
		for _, w := range workers {
			if n := w.Slots[kind]; n > 0 {
				sample.Workers++
				sample.Slots += n
			}
		}
		samples = append(samples, sample)
	}
	return samples
}

// Values of the metric label template.
const (
	emailReset        = "reset"
	emailVerification = "verification"
	emailNotice       = "notice"
)

func emailTemplates() []string { return []string{emailReset, emailVerification, emailNotice} }

// countedLink returns a SendLink that counts the result of each call.
func (a *App) countedLink(template string, deliver account.SendLink) account.SendLink {
	return func(ctx context.Context, to, link string, lang job.Lang) error {
		err := deliver(ctx, to, link, lang)
		a.countEmail(template, err)
		return err
	}
}

// countedNotice returns a SendNotice that counts the result of each call.
func (a *App) countedNotice(notify account.SendNotice) account.SendNotice {
	return func(ctx context.Context, to string, about account.Notice, lang job.Lang) error {
		err := notify(ctx, to, about, lang)
		a.countEmail(emailNotice, err)
		return err
	}
}

// countEmail counts an attempt to send an email.
func (a *App) countEmail(template string, err error) {
	a.metrics.ObserveEmail(template, emailResult(err))
}

// emailResult returns the metric label for an error. A rejected recipient is not a failure of the mail server.
func emailResult(err error) string {
	if err == nil {
		return telemetry.EmailSent
	}
	if mailErr, ok := errors.AsType[*mail.Error](err); ok && mailErr.Recipient() {
		return telemetry.EmailRejected
	}
	return telemetry.EmailFailed
}
