package feedback_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// open returns feedback in a new broker.
func open(t testing.TB) (*feedback.Box, *clocktest.Clock, *broker.Broker) {
	t.Helper()
	b, now := brokertest.Start(t), clocktest.New(noon)
	box, err := feedback.New(t.Context(), b, feedback.WithClock(now.Now))
	must(t, err)
	return box, now, b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writer(owner string) feedback.Writer {
	return feedback.Writer{Owner: owner, ID: owner, Email: owner + "@example.org"}
}

// give stores feedback after the last claim has ended.
func give(t testing.TB, box *feedback.Box, now *clocktest.Clock, owner, category, content string) *feedback.Entry {
	t.Helper()
	now.Advance(feedback.Every)
	e, _, err := box.Give(t.Context(), writer(owner), category, content)
	must(t, err)
	return e
}

// contents reads a whole list, page by page.
func contents(t testing.TB, box *feedback.Box, f feedback.Filter, limit int) []string {
	t.Helper()
	var list []string
	for at := (&feedback.Place{}); at != nil; {
		page, err := box.List(t.Context(), f, *at, limit)
		must(t, err)
		if len(page.Entries) > limit || (page.Next != nil && len(page.Entries) < limit) {
			t.Fatalf("a page of %d has %d, next %v", limit, len(page.Entries), page.Next)
		}
		for _, e := range page.Entries {
			list = append(list, e.Content)
		}
		at = page.Next
	}
	return list
}
