package google

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// minKeyAge and maxKeyAge bound for how long keys are believed, whatever Cache-Control says.
	minKeyAge = 5 * time.Minute
	maxKeyAge = 24 * time.Hour
	keyAge    = time.Hour
	// keyPause lies between two fetches in the long run, and keyBurst are begun without it: forged tokens with made-up
	// names of keys cost nobody a call each, and a new key is believed at once.
	keyPause = 30 * time.Second
	keyBurst = 5
	// staleKeyAge is for how long the last keys are believed while no others can be fetched.
	staleKeyAge = 24 * time.Hour
	// minKeyBits and maxKeyBits bound the keys that are believed: below they are weak, above they cost minutes.
	minKeyBits = 2048
	maxKeyBits = 8192
	maxKeys    = 32
)

// keys are those with which Google signs, as it publishes them.
type keys struct {
	http *http.Client
	now  func() time.Time

	// mu is held during a fetch; others wait for it.
	mu      sync.Mutex
	byID    map[string]*rsa.PublicKey
	expires time.Time
	fetched time.Time
	// tried is when a fetch was last begun, and failing whether it brought nothing.
	tried   time.Time
	failing bool
	// paid is until when the fetches so far would have taken, with a pause after each.
	paid time.Time
}

// find returns the key with a name. It fails with an *Error: of KindToken when there is none, of KindUnavailable when that
// cannot be found out. It costs a request when the keys have expired, or the name is new and nobody has asked lately.
func (k *keys) find(ctx context.Context, address, id string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.byID[id]
	now := k.now()
	if key != nil && now.Before(k.expires) {
		return key, nil
	}
	var failed error
	if k.mayFetch(now) {
		// It goes on though its caller hangs up: whoever does so again and again shall not have it begun each time.
		failed = k.fetch(context.WithoutCancel(ctx), address)
		k.failing = failed != nil
		key = k.byID[id]
	}
	switch {
	case key != nil && now.Sub(k.fetched) < staleKeyAge:
		return key, nil
	case failed != nil:
		return nil, asError(failed, "the keys cannot be fetched")
	case k.byID == nil || !now.Before(k.expires):
		return nil, unavailable(0, "the keys could not be fetched a moment ago")
	}
	return nil, badToken("signed with an unknown key")
}

// mayFetch reports whether the keys may be fetched again by now, and counts it if so.
func (k *keys) mayFetch(now time.Time) bool {
	if k.failing && now.Sub(k.tried) < failurePause || k.paid.Sub(now) > (keyBurst-1)*keyPause {
		return false
	}
	k.tried = now
	if k.paid.Before(now) {
		k.paid = now
	}
	k.paid = k.paid.Add(keyPause)
	return true
}

// fetch replaces the keys.
func (k *keys) fetch(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return unavailable(resp.StatusCode, "the route of the keys is out of order")
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	byID, err := parseKeys(body)
	if err != nil {
		return err
	}
	k.byID, k.fetched = byID, k.now()
	k.expires = k.fetched.Add(lifetime(resp.Header))
	return nil
}

// parseKeys reads a set of keys. What is no key for RS256 is passed over.
func parseKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, unavailable(0, "the keys cannot be read")
	}
	byID := make(map[string]*rsa.PublicKey)
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.KeyID == "" || (key.Use != "" && key.Use != "sig") || (key.Algorithm != "" && key.Algorithm != string(jose.RS256)) {
			continue
		}
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() >= minKeyBits && public.N.BitLen() <= maxKeyBits && public.E > 2 {
			byID[key.KeyID] = public
		}
	}
	if len(byID) == 0 {
		return nil, unavailable(0, "no key can be used")
	}
	return byID, nil
}

// lifetime returns for how long an answer may be kept.
func lifetime(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
			return min(max(time.Duration(min(seconds, int(maxKeyAge.Seconds())))*time.Second, minKeyAge), maxKeyAge)
		}
	}
	return keyAge
}
