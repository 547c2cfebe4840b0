package account

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrConsumed is returned for a one-time token that was already used.
var ErrConsumed = errors.New("the token was already used")

// consumedMargin is how long the use of a token is stored beyond its expiry, because clocks differ.
const consumedMargin = 5 * time.Minute

// ConsumeOnce records the use of a one-time token until it expires. It returns ErrConsumed when any process has already recorded
// its use. It costs one acknowledged publish.
func (a *Accounts) ConsumeOnce(ctx context.Context, token string, until time.Time) error {
	ttl := max(until.Sub(a.now()), 0).Round(time.Second) + consumedMargin
	_, err := a.consumed.Update(ctx, broker.SpentSubject(hexHash(token)), 1, 0, jetstream.WithMsgTTL(ttl))
	if errors.Is(err, kv.ErrConflict) {
		return ErrConsumed
	}
	return err
}
