package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestImageIsDurableBeforeItsDescription uploads an image to a NATS in another process, whose machine may lose its power after it has stored
// the image, and before it stores the description.
func TestImageIsDurableBeforeItsDescription(t *testing.T) {
	t.Parallel()
	remote := brokertest.StartRemote(t)
	s, err := store.New(t.Context(), remote.Broker)
	if err != nil {
		t.Fatal(err)
	}
	writes := brokertest.Subscribe(t, remote.API().Conn(), ">")
	u, err := s.PutUpload(t.Context(), "u1", store.Upload{ContentType: "image/png"}, []byte("an image"))
	if err != nil {
		t.Fatal(err)
	}
	description, durable := broker.UploadSubject("u1", u.ID), "durable."+broker.ResultsStream
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	for len(got) < 4 {
		m, err := writes.NextMsgWithContext(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		if m.Subject == durable || strings.HasPrefix(m.Subject, description) {
			got = append(got, m.Subject)
		}
	}
	if want := []string{got[0], durable, description, durable}; !slices.Equal(got, want) || !strings.HasPrefix(got[0], description+".") {
		t.Errorf("the writes are %q", got)
	}
}
