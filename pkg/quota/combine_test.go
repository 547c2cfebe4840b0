package quota_test

import (
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestChargesShareAPublish charges several times in one publish: each gets its own value, and one that does not fit leaves its room to
// those that follow.
func TestChargesShareAPublish(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, 10), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 4)
	before := lastSequence(t, b)
	got := quota.ChargeTogether(t.Context(), q, "who", job.DayOf(noon()), 10, 2, 5, 3, 2, 1)
	if want := []int{6, 0, 9, 0, 10}; !slices.Equal(got, want) {
		t.Errorf("values %v, want %v", got, want)
	}
	if n := lastSequence(t, b) - before; n != 1 {
		t.Errorf("%d publishes", n)
	}
	// Who does not fit reverses its charge.
	expectUsed(t, q, "who", 4+2+5+3+2+1)
	if n := quota.Combining(q); n != 0 {
		t.Errorf("%d counters are still being changed", n)
	}
}
