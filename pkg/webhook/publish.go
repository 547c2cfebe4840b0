package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// PublishEnd stores the deliveries of the end of a job durably, if its owner wants any. It is idempotent for as long as
// deliveries are kept. It costs nothing without a webhook, and one acknowledged publish for each event.
//
// If the start is wanted too, it is published again, in case the worker that began the job could not.
func PublishEnd(ctx context.Context, b *broker.Broker, r *job.Record) error {
	if r.StartedAt != nil && r.Spec.Webhook.Wants(job.EventStarted) {
		p := &job.Progress{V: job.Version, ID: r.Spec.ID, Status: job.StatusRunning, Attempt: 1, StartedAt: r.StartedAt}
		if err := PublishStart(ctx, b, r.Spec, p); err != nil {
			return err
		}
	}
	if !r.Spec.Webhook.Wants(job.EndEvent(r.Status)) {
		return nil
	}
	return publish(ctx, b, ended(r))
}

// PublishStart is PublishEnd for the start of a job.
func PublishStart(ctx context.Context, b *broker.Broker, spec *job.Spec, p *job.Progress) error {
	if !spec.Webhook.Wants(job.EventStarted) {
		return nil
	}
	return publish(ctx, b, started(spec, p))
}

// publish stores a new delivery unless it is stored already. Workers, whose permissions are limited, call it.
func publish(ctx context.Context, b *broker.Broker, d *Delivery) error {
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	subject := broker.WebhookSubject(d.Owner, d.ID)
	_, err = b.JetStream().PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data, Header: broker.ExpectLast(0)})
	if err == nil {
		return nil
	}
	if broker.Conflict(err) {
		// A cluster also refuses a publish while another one is pending, which may still fail.
		_, missing := broker.LeaderLast(ctx, b.JetStream(), broker.WebhooksStream, subject)
		if missing == nil {
			return nil
		}
		err = errors.Join(err, missing)
	}
	return fmt.Errorf("publish event: %w", err)
}
