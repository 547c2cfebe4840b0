//go:build unix

package lab

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// namePrefix is in the text of every job except probes; upstream faults affect only such jobs.
const namePrefix = "lab"

// faultScripts returns the kinds of upstream faults.
func faultScripts() map[string][]simulator.Rule {
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

// upstreamFaults scripts upstream faults for a while, one kind at a time.
func (inj *injector) upstreamFaults(ctx context.Context, rng *rand.Rand) bool {
	select {
	case inj.upstreamBusy <- struct{}{}:
	default:
		return false
	}
	defer func() { <-inj.upstreamBusy }()
	all := faultScripts()
	names := []string{"failing", "half", "hanging", "moderated", "slow", "throttled"}
	rules := all[names[rng.IntN(len(names))]]
	for i := range rules {
		rules[i].Contains = namePrefix
	}
	inj.check(inj.cluster.simulator.Script(rules...))
	lifecycle.Sleep(ctx, between(rng, 2*time.Second, 8*time.Second))
	inj.cluster.simulator.Clear()
	return true
}
