package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrConsumed is returned for a one-time token that was used before.
var ErrConsumed = errors.New("it was used before")

// consumedMargin is for how much longer than a token is valid its use is remembered: clocks differ.
const consumedMargin = 5 * time.Minute

// ConsumeOnce records the use of a one-time token, for as long as it would be valid. It fails with ErrConsumed when any process has
// recorded its use before. It costs one acknowledged publish.
func (a *Accounts) ConsumeOnce(ctx context.Context, token string, until time.Time) error {
	sum := sha256.Sum256([]byte(token))
	ttl := max(until.Sub(a.now()), 0).Round(time.Second) + consumedMargin
	_, err := a.consumed.Update(ctx, broker.SpentSubject(hex.EncodeToString(sum[:])), 1, 0, jetstream.WithMsgTTL(ttl))
	if errors.Is(err, kv.ErrConflict) {
		return ErrConsumed
	}
	return err
}
