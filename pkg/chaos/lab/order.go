//go:build unix

package lab

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// order is a job to submit, and what the client does with it.
type order struct {
	name string
	kind string
	body []byte
	key  string
	// minCalls is how many upstream calls it needs.
	minCalls int
	// twice submits it concurrently to two APIs with the same key.
	twice bool
	// cancelAfter is when it is canceled; 0 means never.
	cancelAfter time.Duration
	// remove deletes it when it has ended.
	remove bool
	// follow is how its owner waits for its end.
	follow follow
}

// follow is a way to wait for a job's end.
type follow string

const (
	followPoll   follow = "poll"
	followWait   follow = "wait"
	followStream follow = "stream"
)

// newOrder returns a random order.
func newOrder(rng *rand.Rand, name string) order {
	o := order{name: name, minCalls: 1, follow: []follow{followPoll, followWait, followStream}[rng.IntN(3)]}
	input := map[string]any{}
	switch n := rng.IntN(100); {
	case n < 35:
		o.kind = "image"
		input["prompt"], input["width"], input["height"] = "a lighthouse at dusk, "+name, 128, 128
		if count := rng.IntN(8); count > 5 {
			o.minCalls = count - 4
			input["n"] = o.minCalls
		}
		if rng.IntN(6) == 0 {
			input["optimize"] = true
			o.minCalls++
		}
	case n < 50:
		o.kind = "audio"
		input["text"] = "Good evening, " + name + "."
	case n < 70:
		o.kind = "prompt"
		input["text"] = "a fox in the snow, " + name
	default:
		o.kind = "translation"
		input["text"] = "早上好 " + name
	}
	body := map[string]any{"kind": o.kind, "input": input}
	if rng.IntN(30) == 0 {
		body["deadline_seconds"] = 3 + rng.IntN(20)
	}
	o.body, _ = json.Marshal(body) // Maps of strings and numbers never fail.
	if rng.IntN(2) == 0 {
		o.key = "key-" + name
		o.twice = rng.IntN(4) == 0
	}
	if rng.IntN(5) == 0 {
		o.cancelAfter = between(rng, time.Millisecond, 2500*time.Millisecond)
	}
	o.remove = rng.IntN(15) == 0
	return o
}

// probe returns an order that upstream faults do not affect.
func probe(n int) order {
	name := fmt.Sprintf("probe%06d", n)
	body, _ := json.Marshal(map[string]any{"kind": "translation", "input": map[string]any{"text": "晚安 " + name}}) // As above.
	return order{name: name, kind: "translation", body: body, key: "key-" + name, minCalls: 1, follow: followPoll}
}
