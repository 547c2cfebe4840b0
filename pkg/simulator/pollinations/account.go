package pollinations

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// The rate of publishable keys.
const (
	keyBurst    = 3
	keyInterval = 15 * time.Second
)

// authorize rejects a missing or unknown key and limits the rate of publishable
// keys.
func (h *host) authorize(x *kit.Exchange) bool {
	key, _ := x.BearerKey()
	key = cmp.Or(key, x.Query.Get("key"))
	switch {
	case key == "" && x.Kind.Generates() && x.Request.Header.Get("Idempotency-Key") != "":
		// A client without an account may pay instead.
		x.Fail(failures()["x402"])
		return false
	case key == "":
		x.Fail(fail(http.StatusUnauthorized, "UNAUTHORIZED", messageNoKey))
		return false
	case !x.Accepts(key):
		x.Fail(failures()["unauthorized"])
		return false
	case !strings.HasPrefix(key, "pk_"):
		return true
	}
	wait := h.buckets.Take(key)
	if wait == 0 {
		return true
	}
	x.Fail(keyLimited(wait, math.Ceil(wait.Seconds()*10)/10))
	return false
}

// keyLimited returns the failure of a publishable key that exceeds its rate.
func keyLimited(wait time.Duration, seconds float64) kit.Failure {
	return kit.Failure{
		Status: http.StatusTooManyRequests, Message: "Rate limit exceeded.", Header: map[string]string{"Retry-After": kit.WholeSeconds(wait)},
		Body: map[string]any{
			"error": "Rate limit exceeded", "retryAfterSeconds": seconds,
			"message": fmt.Sprintf("Rate limit exceeded. Retry after %gs. Use secret keys (sk_*) for unlimited requests.", seconds),
		},
	}
}

// balance serves GET /account/balance. A key with a budget gets a shorter body.
func balance(x *kit.Exchange) any {
	type account struct {
		Total float64 `json:"total"`
		Tier  float64 `json:"tier"`
		Paid  float64 `json:"paid"`
	}
	type body struct {
		Balance float64  `json:"balance"`
		Account *account `json:"accountBalance,omitempty"`
	}
	response := body{Balance: x.Server.Config.Balance}
	if !x.Varies(faultBudgetedKey) {
		response.Account = &account{Total: response.Balance, Paid: response.Balance}
	}
	return response
}
