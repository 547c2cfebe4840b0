package apikey

import (
	"testing"
	"time"
)

// Fresh is how long a key is remembered.
const Fresh = fresh

// MaxCached bounds the remembered keys.
const MaxCached = maxCached

// NewSecret returns a new key.
func NewSecret() string { return newSecret() }

// WellFormed reports whether a key is complete and has the right checksum.
func WellFormed(key string) bool { return wellFormed(key) }

// Forget forgets all keys, as time would.
func (k *Keys) Forget() {
	k.cache.mu.Lock()
	defer k.cache.mu.Unlock()
	for h, e := range k.cache.by {
		e.read = time.Time{}
		k.cache.by[h] = e
	}
}

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
