//go:build unix

package lab

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// order is a job that a client wants, and how it goes about it.
type order struct {
	name string
	kind string
	body []byte
	key  string
	// least is how many upstream calls it takes.
	least int
	// twice submits it at two APIs at once, under one key.
	twice bool
	// cancelAfter is when it is canceled; never when 0.
	cancelAfter time.Duration
	// remove deletes it after its end.
	remove bool
	// follow is how its owner learns of its end.
	follow follow
}

// follow is a way to learn of a job's end.
type follow string

const (
	followPoll   follow = "poll"
	followWait   follow = "wait"
	followStream follow = "stream"
)

// newOrder draws an order.
func newOrder(d *rand.Rand, name string) order {
	o := order{name: name, least: 1, follow: []follow{followPoll, followWait, followStream}[d.IntN(3)]}
	input := map[string]any{}
	switch n := d.IntN(100); {
	case n < 35:
		o.kind = "image"
		input["prompt"], input["width"], input["height"] = "a lighthouse at dusk, "+name, 128, 128
		if count := d.IntN(8); count > 5 {
			o.least = count - 4
			input["n"] = o.least
		}
		if d.IntN(6) == 0 {
			input["optimize"] = true
			o.least++
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
	if d.IntN(30) == 0 {
		body["deadline_seconds"] = 3 + d.IntN(20)
	}
	o.body, _ = json.Marshal(body) // Maps of strings and numbers always can be.
	if d.IntN(2) == 0 {
		o.key = "key-" + name
		o.twice = d.IntN(4) == 0
	}
	if d.IntN(5) == 0 {
		o.cancelAfter = between(d, time.Millisecond, 2500*time.Millisecond)
	}
	o.remove = d.IntN(15) == 0
	return o
}

// probe is an order that is not met by bad weather upstream.
func probe(n int) order {
	name := fmt.Sprintf("probe%06d", n)
	body, _ := json.Marshal(map[string]any{"kind": "translation", "input": map[string]any{"text": "晚安 " + name}}) // As above.
	return order{name: name, kind: "translation", body: body, key: "key-" + name, least: 1, follow: followPoll}
}
