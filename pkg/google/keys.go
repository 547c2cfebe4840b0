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
	// minKeyAge and maxKeyAge bound how long keys are cached, whatever Cache-Control says; keyAge is the default.
	minKeyAge = 5 * time.Minute
	maxKeyAge = 24 * time.Hour
	keyAge    = time.Hour
	// keyPause and keyBurst limit the rate of fetches: one per keyPause on average, with bursts of keyBurst. Forged tokens with
	// unknown key IDs do not cost a request each, yet a new key is accepted at once.
	keyPause = 30 * time.Second
	keyBurst = 5
	// staleKeyAge is how long the last keys are used while fetches fail.
	staleKeyAge = 24 * time.Hour
	// minKeyBits and maxKeyBits bound the accepted keys: smaller ones are weak, larger ones cost minutes.
	minKeyBits = 2048
	maxKeyBits = 8192
	maxKeys    = 32
)

// keys caches the keys with which Google signs ID tokens.
//
// oidc.RemoteKeySet is not used because it never expires keys, so that a revoked key stays valid until the next fetch; it accepts
// weak keys and tokens without a key ID; and it also fetches for every bad signature with a known key ID, so that forged tokens
// would use up the fetches that a key rotation needs.
type keys struct {
	http *http.Client
	now  func() time.Time

	// mu is held during a fetch; concurrent callers wait for the result.
	mu      sync.Mutex
	byID    map[string]*rsa.PublicKey
	expires time.Time
	fetched time.Time
	// tried is when the last fetch began, and failing whether it failed.
	tried   time.Time
	failing bool
	// paid is when the fetches so far would have ended if each had taken keyPause.
	paid time.Time
}

// find returns the key with an ID. It returns an *Error of KindToken when there is no such key, and of KindUnavailable when the
// keys cannot be fetched. It costs a request to url when the keys have expired or the ID is unknown, unless the rate of fetches
// is exceeded.
func (k *keys) find(ctx context.Context, url, id string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.byID[id]
	now := k.now()
	if key != nil && now.Before(k.expires) {
		return key, nil
	}
	var failed error
	if k.mayFetch(now) {
		// Continue if the caller disconnects, so that repeated disconnects do not restart the fetch.
		failed = k.fetch(context.WithoutCancel(ctx), url)
		k.failing = failed != nil
		key = k.byID[id]
	}
	switch {
	case key != nil && now.Sub(k.fetched) < staleKeyAge:
		return key, nil
	case failed != nil:
		return nil, asError(failed, "the keys cannot be fetched")
	case k.byID == nil || !now.Before(k.expires):
		return nil, unavailable(0, "the last fetch of the keys failed")
	}
	return nil, badToken("signed with an unknown key")
}

// mayFetch reports whether the keys may be fetched now, and counts the fetch if so.
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

// fetch replaces the keys by those at url.
func (k *keys) fetch(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := k.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return unavailable(resp.StatusCode, "the key endpoint is unavailable")
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

// parseKeys returns the RS256 keys of a key set by ID. It skips all others.
func parseKeys(body []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, unavailable(0, "the key set is malformed")
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
		return nil, unavailable(0, "the key set contains no usable key")
	}
	return byID, nil
}

// lifetime returns how long a response may be cached.
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
