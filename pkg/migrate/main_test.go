package migrate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "a secret of the tests"
	password = "correct horse"
)

// noon returns a clock at noon.
func noon() *clocktest.Clock { return clocktest.New(time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openAccounts returns accounts in a new broker.
func openAccounts(t testing.TB, changes ...func(*account.Config)) (*account.Accounts, *clocktest.Clock, *broker.Broker) {
	t.Helper()
	cfg := accounttest.Config(t)
	for _, change := range changes {
		change(&cfg)
	}
	b, now := brokertest.Start(t), clocktest.New(time.Now())
	a, err := account.New(t.Context(), b, cfg, []byte(secret), account.WithClock(now.Now))
	must(t, err)
	return a, now, b
}

// stored returns the stored account with an address.
func stored(t testing.TB, b *broker.Broker, email string) (*account.User, error) {
	t.Helper()
	sum := sha256.Sum256([]byte(account.NormalizeEmail(email)))
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.UsersStream, broker.UserSubject(hex.EncodeToString(sum[:])))
	if err != nil {
		return nil, err
	}
	var u account.User
	return &u, json.Unmarshal(msg.Data, &u)
}

// openFeedback returns feedback in a new broker.
func openFeedback(t testing.TB) (*feedback.Box, *clocktest.Clock) {
	t.Helper()
	now := clocktest.New(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	box, err := feedback.New(t.Context(), brokertest.Start(t), feedback.WithClock(now.Now))
	must(t, err)
	return box, now
}

// openGallery returns a gallery in a new broker.
func openGallery(t testing.TB) (*gallery.Gallery, *clocktest.Clock, *broker.Broker) {
	t.Helper()
	b, now := brokertest.Start(t), noon()
	g, err := gallery.New(t.Context(), b, gallery.WithClock(now.Now))
	must(t, err)
	return g, now, b
}

// fields is a JSON object.
type fields = map[string]any

// exported returns an entry as exported from Cloudflare KV, with the value as a string or, with bare, as JSON.
func exported(t testing.TB, name, key string, value any, bare bool) fields {
	t.Helper()
	if bare {
		return fields{name: key, "value": value}
	}
	text, err := json.Marshal(value)
	must(t, err)
	return fields{name: key, "value": string(text)}
}

func export(t testing.TB, entries ...fields) *strings.Reader {
	t.Helper()
	b, err := json.Marshal(entries)
	must(t, err)
	return strings.NewReader(string(b))
}
