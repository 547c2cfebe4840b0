package apikey

import (
	"testing"
	"time"
)

// TestCache checks how long and how many identities are remembered.
func TestCache(t *testing.T) {
	t.Parallel()
	if fresh >= time.Second {
		t.Error("a revoked key could be accepted for a second")
	}
	var c cache
	began, id := time.Now(), &Identity{Key: &Key{}}
	h := hashOf("a")
	if !c.put(h, id, began, began) || c.put(h, id, began, began.Add(useEvery-1)) || !c.put(h, id, began, began.Add(useEvery)) {
		t.Error("a use is recorded more or less than once a minute")
	}
	if c.get(h, began.Add(fresh-1)) != id || c.get(h, began.Add(fresh)) != nil || c.get(hashOf("b"), began) != nil {
		t.Error("an identity is remembered for too short or too long")
	}
	c.forget(h)
	if c.get(h, began) != nil {
		t.Error("a revoked key is remembered")
	}
	for i := range 2*maxCached + 1 {
		c.put(hashOf(string(rune(i))), id, began.Add(time.Duration(i/maxCached)*fresh), began)
	}
	if n := len(c.by); n > maxCached {
		t.Errorf("%d identities are remembered", n)
	}
}
