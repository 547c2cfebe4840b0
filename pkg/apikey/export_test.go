package apikey

import "time"

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
