package store_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestOnlyMedia stores the only media file of a job, in one message if it has one chunk, and finds it without a record.
func TestOnlyMedia(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	seed := int64(7)
	for size, messages := range map[int]int{0: 1, 1: 1, chunk: 1, chunk + 1: 3} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			id, data := "only"+strconv.Itoa(size), noise(uint64(size), size)
			m, err := s.PutOnlyMedia(t.Context(), "u1", id, job.Media{
				ContentType: "image/png", Width: 3, Seed: &seed, Model: "a “model”\r\nNats-Rollup: all", Usage: &job.Usage{PromptTokens: 5},
			}, data)
			if err != nil {
				t.Fatal(err)
			}
			if n := subjects(t, b, "$KV.RESULTS.u1."+id+".>"); n != messages {
				t.Errorf("%d messages, want %d", n, messages)
			}
			found, err := s.FindOnlyMedia(t.Context(), "u1", id)
			if err != nil || !reflect.DeepEqual(found, m) || int(m.Bytes) != size {
				t.Errorf("stored %+v, found %+v, %v", m, found, err)
			}
			r, err := s.OpenMedia(t.Context(), "u1", id, found)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		})
	}
	missingOnly := func(id string) {
		t.Helper()
		_, err := s.FindOnlyMedia(t.Context(), "u1", id)
		missing(t, "media of "+id, err)
	}
	missingOnly("nothing")
	// What is left of a PutMedia that was interrupted.
	if _, err := b.JetStream().Publish(t.Context(), broker.ChunkSubject("u1", "interrupted", 0, "0123456789abcdef", 0), []byte("x")); err != nil {
		t.Fatal(err)
	}
	missingOnly("interrupted")
}

// TestOnlyMediaOfOtherVersions reads descriptions that this version cannot read.
func TestOnlyMediaOfOtherVersions(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	for id, description := range map[string]string{"garbage": "{", "newer": `{"v":99}`} {
		msg := nats.NewMsg(broker.ChunkSubject("u1", id, 0, "0123456789abcdef", 0))
		msg.Header.Set("Media", description)
		if _, err := b.JetStream().PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
		_, err := s.FindOnlyMedia(t.Context(), "u1", id)
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, job.ErrNewer) != (id == "newer") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestOnlyMediaOfTwoAttempts stores other bytes after those of an earlier attempt, whose record may still come.
func TestOnlyMediaOfTwoAttempts(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var stored []job.Media
	for _, data := range []string{"the first", "the second"} {
		m, err := s.PutOnlyMedia(t.Context(), "u1", "j1", job.Media{ContentType: "image/png"}, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, m)
	}
	for _, m := range stored {
		if err := s.CheckMedia(t.Context(), "u1", "j1", m); err != nil {
			t.Errorf("%s: %v", m.SHA256, err)
		}
	}
	if m, err := s.FindOnlyMedia(t.Context(), "u1", "j1"); err != nil || m.SHA256 != stored[1].SHA256 {
		t.Errorf("found %+v, %v", m, err)
	}
}
