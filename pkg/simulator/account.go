package simulator

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// key returns the key of the request and whether it came as the dialect
// wants it.
func (x *exchange) key() (key string, wellFormed bool) {
	header := x.r.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != "" {
		return strings.TrimSpace(token), true
	}
	if x.dialect == DialectPollinations && x.query.Get("key") != "" {
		return x.query.Get("key"), true
	}
	return "", header == ""
}

// authorize refuses a missing or unknown key and throttles publishable ones;
// the legacy hosts ask for none. It reports whether the handler goes on.
func (x *exchange) authorize() bool {
	key, wellFormed := x.key()
	accepted := key != "" && (len(x.s.config.Keys) == 0 || slices.Contains(x.s.config.Keys, key))
	switch {
	case x.dialect.legacy():
		return true
	case x.dialect == DialectSiliconFlow && !accepted:
		word := "Api key is invalid"
		if key == "" {
			word = "Invalid token"
		}
		x.refuse(failure{status: http.StatusUnauthorized, shape: word})
		return false
	case x.dialect.ownChat() && accepted:
		return true
	case x.dialect == DialectDeepSeek:
		message := "Authentication Fails, Your api key: " + maskKey(key) + " is invalid"
		if !wellFormed || key == "" {
			message = "Authentication Fails (auth header format should be Bearer sk-...)"
		}
		x.refuse(failure{status: http.StatusUnauthorized, message: message, kind: "authentication_error", reason: "invalid_request_error"})
		return false
	}
	if key == "" && x.kind.generates() && x.r.Header.Get("Idempotency-Key") != "" {
		// Whoever could pay without an account is asked to.
		x.refuse(failures()["x402"].gateway)
		return false
	}
	if !accepted {
		message := messageBadKey
		if key == "" {
			message = messageNoKey
		}
		x.refuse(failure{status: http.StatusUnauthorized, code: "UNAUTHORIZED", message: message})
		return false
	}
	if !strings.HasPrefix(key, "pk_") {
		return true
	}
	wait := x.s.buckets.take(key)
	if wait == 0 {
		return true
	}
	seconds := math.Ceil(wait.Seconds()*10) / 10
	x.refuse(failure{
		status: http.StatusTooManyRequests, header: map[string]string{"Retry-After": wholeSeconds(wait)},
		shape: publishableLimit{
			Error: "Rate limit exceeded", RetryAfterSeconds: seconds,
			Message: fmt.Sprintf("Rate limit exceeded. Retry after %gs. Use secret keys (sk_*) for unlimited requests.", seconds),
		},
	})
	return false
}

// maskKey shows the last four characters of a key, as DeepSeek does.
func maskKey(key string) string {
	if len(key) <= 4 {
		return "****"
	}
	return "****" + key[len(key)-4:]
}

// buckets throttle publishable keys: three at once, one more every 15 s.
type buckets struct {
	now  func() time.Time
	mu   sync.Mutex
	full map[string]time.Time // when the bucket of a key is full again
}

const (
	bucketSize   = 3
	bucketRefill = 15 * time.Second
	maxBuckets   = 10_000
)

func newBuckets(now func() time.Time) *buckets {
	return &buckets{now: now, full: map[string]time.Time{}}
}

// take spends one token and returns zero, or returns how long to wait.
func (b *buckets) take(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.full) >= maxBuckets {
		clear(b.full)
	}
	full := b.full[key]
	if full.Before(now) {
		full = now
	}
	if wait := full.Add(bucketRefill).Sub(now) - bucketSize*bucketRefill; wait > 0 {
		return wait
	}
	b.full[key] = full.Add(bucketRefill)
	return 0
}

// gatewayBalance serves GET /account/balance: the long shape, or the short
// one of a budgeted key when a rule says so.
func (x *exchange) gatewayBalance() {
	if !x.arrive("", "", "") || !x.authorize() {
		return
	}
	type purses struct {
		Total float64 `json:"total"`
		Tier  float64 `json:"tier"`
		Paid  float64 `json:"paid"`
	}
	type balance struct {
		Balance float64 `json:"balance"`
		Account *purses `json:"accountBalance,omitempty"`
	}
	answer := balance{Balance: x.s.config.Balance}
	if !x.behaves(faultBudgetedKey) {
		answer.Account = &purses{Total: answer.Balance, Paid: answer.Balance}
	}
	x.sendJSON(http.StatusOK, answer)
}

// deepSeekBalance serves GET /user/balance, whose amounts are strings.
func (x *exchange) deepSeekBalance() {
	if !x.arrive("", "", "") || !x.authorize() {
		return
	}
	type info struct {
		Currency string `json:"currency"`
		Total    string `json:"total_balance"`
		Granted  string `json:"granted_balance"`
		ToppedUp string `json:"topped_up_balance"`
	}
	amount := strconv.FormatFloat(x.s.config.Balance, 'f', 2, 64)
	x.sendJSON(http.StatusOK, map[string]any{
		"is_available":  x.s.config.Balance > 0,
		"balance_infos": []info{{Currency: "CNY", Total: amount, Granted: "0.00", ToppedUp: amount}},
	})
}
