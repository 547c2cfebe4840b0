//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// jobMark is in the text of every job but the probes; bad weather upstream meets no others.
const jobMark = "lab"

// storms are the kinds of bad weather upstream.
func storms() map[string][]simulator.Rule {
	return map[string][]simulator.Rule{
		"throttled": {{Fault: "rate_limited", Probability: 0.6, RetryAfter: time.Second}},
		"failing": {
			{Fault: "server_error", Probability: 0.2}, {Fault: "html_502", Probability: 0.15}, {Fault: "reset", Probability: 0.15},
		},
		"hanging":   {{Fault: "hang", Probability: 0.3}},
		"half":      {{Fault: "truncated", Probability: 0.3}, {Fault: "empty", Probability: 0.2}, {Fault: "garbage", Probability: 0.1}},
		"slow":      {{Delay: 3 * time.Second, Probability: 0.5}},
		"moderated": {{Fault: "moderated", Probability: 0.1}},
	}
}

// storm has bad weather upstream for a while, one storm at a time.
func (t *trouble) storm(ctx context.Context, d *rand.Rand) bool {
	select {
	case t.storming <- struct{}{}:
	default:
		return false
	}
	defer func() { <-t.storming }()
	all := storms()
	names := []string{"failing", "half", "hanging", "moderated", "slow", "throttled"}
	rules := all[names[d.IntN(len(names))]]
	for i := range rules {
		rules[i].Contains = jobMark
	}
	t.check(t.plant.simulator.Script(rules...))
	lifecycle.Sleep(ctx, between(d, 2*time.Second, 8*time.Second))
	t.plant.simulator.Clear()
	return true
}
