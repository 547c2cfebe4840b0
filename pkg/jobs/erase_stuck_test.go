package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestEraseJobsOfANewerVersion erases an owner with a queued job and a record that this version cannot read.
func TestEraseJobsOfANewerVersion(t *testing.T) {
	t.Parallel()
	r := start(t)
	queued, ended, readable := fresh(t, "u1"), fresh(t, "u1"), fresh(t, "u1")
	r.submitSpec(t, readable)
	js := r.broker.JetStream()
	if _, err := js.Publish(t.Context(), broker.JobSubject(queued.Kind, queued.Lane, "u1", queued.ID), newer(t, queued.Encode)); err != nil {
		t.Fatal(err)
	}
	record := &job.Record{Spec: ended, Status: job.StatusSucceeded}
	if _, err := js.Publish(t.Context(), broker.RecordSubject("u1", ended.ID), newer(t, record.Encode)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	for range 2 {
		if err := r.Erase(ctx, "u1"); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := r.queue.OwnerIDs(t.Context(), "u1"); err != nil || len(ids) > 0 {
		t.Errorf("in the queue: %v, %v", ids, err)
	}
	if _, err := r.store.RecordLeader(t.Context(), "u1", ended.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record: %v", err)
	}
	// A worker that has the job stores nothing.
	if _, _, err := r.store.PutRecord(t.Context(), &job.Record{Spec: queued, Status: job.StatusSucceeded}); !errors.Is(err, store.ErrDeleted) {
		t.Errorf("the end of an erased job: %v", err)
	}
}

// newer returns a stored value as a newer version of the program would store it.
func newer(t *testing.T, encode func() ([]byte, error)) []byte {
	t.Helper()
	data, err := encode()
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(data, []byte(`"v":1`), []byte(`"v":99`), 1)
	if bytes.Equal(changed, data) {
		t.Fatalf("no version in %s", data)
	}
	return changed
}

// TestEraseAfterALostSettlement erases an owner with a job whose worker has died after it had stored the record, and that no other
// worker takes.
func TestEraseAfterALostSettlement(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.submit(t)
	r.record(t, spec, job.StatusSucceeded)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := r.Erase(ctx, spec.Owner); err != nil || r.queued(t, spec) {
		t.Errorf("erase: %v", err)
	}
}
