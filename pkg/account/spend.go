package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// ErrSpent is returned for what was used before and can be used once.
var ErrSpent = errors.New("it was used before")

// spentMargin is how much longer a use is remembered than what was used is good: clocks differ.
const spentMargin = 5 * time.Minute

// Spend takes note that something was used that can be used once, for as long as it would be good. It fails with ErrSpent
// when it was used before, by whichever process. It costs one acknowledged publish.
func (a *Accounts) Spend(ctx context.Context, what string, until time.Time) error {
	sum := sha256.Sum256([]byte(what))
	ttl := max(until.Sub(a.now()), 0).Round(time.Second) + spentMargin
	_, err := a.js.Publish(ctx, broker.SpentSubject(hex.EncodeToString(sum[:])), []byte("1"),
		jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithMsgTTL(ttl))
	if err = published(err); errors.Is(err, errConflict) {
		return ErrSpent
	}
	return err
}
