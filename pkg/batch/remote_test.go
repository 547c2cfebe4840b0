package batch_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
)

// TestJobsAreDurableBeforeTheirBatch submits a batch to a NATS in another process, whose machine may lose its power after it has stored the
// jobs, and before it stores the record that refers to them.
func TestJobsAreDurableBeforeTheirBatch(t *testing.T) {
	t.Parallel()
	other := brokertest.Start(t, brokertest.GroupCommit, func(c *broker.Config) {
		c.Sync, c.Listen, c.ListenUser, c.ListenPassword = "always", "127.0.0.1:0", "api", "a-long-password"
	})
	address := strings.Replace(other.ClientURL(), "nats://", "nats://api:a-long-password@", 1)
	r := on(t, jobstest.Start(t, func(c *broker.Config) { c.URL = env.Secret(address) }))
	writes := brokertest.Subscribe(t, other.Conn(), ">")
	if _, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "k", 3)); err != nil {
		t.Fatal(err)
	}
	const durable, bucket = "durable." + broker.BatchesStream, "$KV." + broker.BucketBatches + "."
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	for len(got) < 3 {
		m, err := writes.NextMsgWithContext(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		if m.Subject == durable || strings.HasPrefix(m.Subject, bucket) {
			got = append(got, m.Subject)
		}
	}
	if !strings.HasPrefix(got[0], bucket) || got[1] != durable || !strings.HasPrefix(got[2], bucket) || slices.Equal(got[:1], got[2:]) {
		t.Errorf("the writes are %q", got)
	}
}
