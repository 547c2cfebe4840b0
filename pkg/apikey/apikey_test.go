package apikey_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden file anew")

// rig is a store of keys with one account.
type rig struct {
	*apikey.Keys
	broker   *broker.Broker
	accounts *account.Accounts
	user     *account.User
	clock    *clocktest.Clock
	log      *bytes.Buffer
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{broker: brokertest.Start(t), clock: clocktest.New(time.Date(2026, time.March, 4, 12, 0, 10, 0, time.UTC)), log: &bytes.Buffer{}}
	var err error
	r.accounts, err = account.New(t.Context(), r.broker, accounttest.Config(t), []byte("a secret of the tests"))
	must(t, err)
	r.user, err = r.accounts.Register(t.Context(), "Ann", "ann@example.org", "correct horse")
	must(t, err)
	r.Keys = r.open(t)
	return r
}

// open returns the keys as another process has them.
func (r *rig) open(t *testing.T) *apikey.Keys {
	t.Helper()
	k, err := apikey.New(t.Context(), r.broker, r.accounts, slog.New(slog.NewTextHandler(r.log, nil)), apikey.WithClock(r.clock.Now))
	must(t, err)
	return k
}

// sequence returns the sequence of the last write to accounts and keys.
func (r *rig) sequence(t *testing.T) uint64 {
	t.Helper()
	stream, err := r.broker.JetStream().Stream(t.Context(), broker.UsersStream)
	must(t, err)
	return stream.CachedInfo().State.LastSeq
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// TestTypingErrors changes, swaps and drops every character of a key.
func TestTypingErrors(t *testing.T) {
	t.Parallel()
	key := apikey.NewSecret()
	if !apikey.WellFormed(key) || !regexp.MustCompile(`^t2i_[0-9A-Za-z]{49}$`).MatchString(key) || key == apikey.NewSecret() {
		t.Fatalf("a new key is %s", key)
	}
	for i := range key {
		wrong := []string{key[:i] + key[i+1:], key[:i] + "-" + key[i+1:], key[:i] + "0" + key[i:]}
		for _, c := range "0Az" {
			wrong = append(wrong, key[:i]+string(c)+key[i+1:])
		}
		if i > 0 {
			wrong = append(wrong, key[:i-1]+key[i:i+1]+key[i-1:i]+key[i+1:])
		}
		for _, other := range wrong {
			if other != key && apikey.WellFormed(other) {
				t.Errorf("%s is taken for a key", other)
			}
		}
	}
}

// TestIdentify identifies keys in two processes, and counts what that costs.
func TestIdentify(t *testing.T) {
	t.Parallel()
	r, ctx := start(t), t.Context()
	hour := 3600
	key, secret, err := r.Create(ctx, r.user, apikey.Request{Name: "a", Scopes: []string{"read"}, ExpiresIn: &hour})
	must(t, err)
	admin, adminSecret, err := r.Create(ctx, nil, apikey.Request{Name: "b", Scopes: []string{"admin"}})
	must(t, err)
	other := r.open(t)

	id, err := other.Identify(ctx, secret)
	must(t, err)
	if id.Key.ID != key.ID || id.User.ID != r.user.ID || !id.Key.Has(apikey.ScopeRead) || id.Key.Has(apikey.ScopeSubmit) {
		t.Errorf("identified as %+v", id)
	}
	id, err = other.Identify(ctx, adminSecret)
	must(t, err)
	if id.Key.ID != admin.ID || id.User != nil || !id.Key.IsAdmin() {
		t.Errorf("identified as %+v", id)
	}
	_, err = other.Identify(ctx, apikey.NewSecret())
	wantErr(t, "an unknown key", err, apikey.ErrUnknown)

	// Both uses were stored, and no other one is before a minute is over, whatever the process.
	last := r.sequence(t)
	for range 3 {
		other.Forget()
		for _, k := range []*apikey.Keys{r.Keys, other, r.open(t)} {
			_, err = k.Identify(ctx, secret)
			must(t, err)
		}
	}
	if now := r.sequence(t); now != last {
		t.Errorf("%d writes", now-last)
	}
	r.clock.Advance(time.Minute)
	other.Forget()
	for range 3 {
		_, err = other.Identify(ctx, secret)
		must(t, err)
	}
	if now := r.sequence(t); now != last+1 {
		t.Errorf("%d writes after a minute", now-last)
	}
	list, err := r.List(ctx, r.user.Owner())
	must(t, err)
	if len(list) != 1 || list[0].LastUsedAt == nil || !list[0].LastUsedAt.Equal(r.clock.Now()) {
		t.Errorf("listed %+v", list)
	}

	// A key that is remembered costs no request.
	conn := r.broker.JetStream().Conn()
	before := conn.Stats().OutMsgs
	const calls = 10_000
	for range calls {
		_, err = other.Identify(ctx, secret)
		must(t, err)
	}
	if sent := conn.Stats().OutMsgs - before; sent > calls/10 {
		t.Errorf("%d messages for %d calls", sent, calls)
	}

	r.clock.Advance(time.Hour)
	_, err = other.Identify(ctx, secret)
	wantErr(t, "an expired key that is remembered", err, apikey.ErrExpired)
	other.Forget()
	last = r.sequence(t)
	_, err = other.Identify(ctx, secret)
	wantErr(t, "an expired key", err, apikey.ErrExpired)
	if now := r.sequence(t); now != last {
		t.Error("the use of an expired key is stored")
	}
	if r.log.Len() > 0 {
		t.Errorf("logged: %s", r.log)
	}
}

// TestRevoke revokes keys while two processes use them.
func TestRevoke(t *testing.T) {
	t.Parallel()
	r, ctx := start(t), t.Context()
	other := r.open(t)
	create := func() (string, string) {
		key, secret, err := r.Create(ctx, r.user, apikey.Request{Name: "a", Scopes: []string{"read"}})
		must(t, err)
		return key.ID, secret
	}
	id, secret := create()
	kept, keptSecret := create()
	wantErr(t, "a key of another owner", r.Revoke(ctx, "somebody", id), apikey.ErrUnknown)
	wantErr(t, "a key of a member, as the operator", r.RevokeAdmin(ctx, id), apikey.ErrUnknown)
	wantErr(t, "all keys", r.Revoke(ctx, r.user.Owner(), "*"), apikey.ErrUnknown)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for _, k := range []*apikey.Keys{r.Keys, other} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r.clock.Advance(time.Minute)
				k.Forget()
				if _, err := k.Identify(ctx, secret); err != nil && !errors.Is(err, apikey.ErrUnknown) {
					t.Errorf("identify: %v", err)
				}
			}
		})
	}
	must(t, r.Revoke(ctx, r.user.Owner(), id))
	close(done)
	wg.Wait()
	r.Forget()
	other.Forget()
	for _, k := range []*apikey.Keys{r.Keys, other} {
		_, err := k.Identify(ctx, secret)
		wantErr(t, "a revoked key", err, apikey.ErrUnknown)
	}
	wantErr(t, "revoked twice", r.Revoke(ctx, r.user.Owner(), id), apikey.ErrUnknown)

	_, err := other.Identify(ctx, keptSecret)
	must(t, err)
	must(t, r.accounts.Delete(ctx, r.user))
	other.Forget()
	_, err = other.Identify(ctx, keptSecret)
	wantErr(t, "a key of a deleted account", err, apikey.ErrUnknown)
	var forgotten []string
	for range 2 {
		must(t, r.Erase(ctx, r.user.Owner(), func(_ context.Context, ids []string) error {
			forgotten = append(forgotten, ids...)
			return nil
		}))
	}
	if !slices.Equal(forgotten, []string{kept}) {
		t.Errorf("forgotten %v, want %s", forgotten, kept)
	}
	if list, err := r.List(ctx, r.user.Owner()); err != nil || len(list) > 0 {
		t.Errorf("left after an erasure: %v, %v", list, err)
	}
}

// TestStoredForm compares the stored form of keys with that of earlier versions, and reads one of a later version.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	r, ctx := start(t), t.Context()
	one := 1
	key, secret, err := r.Create(ctx, r.user, apikey.Request{
		Name: "a", Scopes: []string{"submit", "read"}, ExpiresIn: &one, PerMinute: &one, PerDay: &one, MaxActive: &one,
	})
	must(t, err)
	admin, _, err := r.Create(ctx, nil, apikey.Request{Name: "b", Scopes: []string{"admin"}})
	must(t, err)
	_, err = r.Identify(ctx, secret)
	must(t, err)
	var stored strings.Builder
	for _, k := range []*apikey.Key{key, admin} {
		msg, err := broker.LeaderLast(ctx, r.broker.JetStream(), broker.UsersStream, broker.AnyAPIKeySubject(k.ID))
		must(t, err)
		text := msg.Subject + " " + string(msg.Data) + "\n"
		for _, mask := range []string{key.Hash, admin.Hash, key.Shown, admin.Shown, key.ID, admin.ID, r.user.ID} {
			text = strings.ReplaceAll(text, mask, "…")
		}
		if strings.Contains(text, secret[8:]) {
			t.Errorf("the key is stored: %s", text)
		}
		stored.WriteString(text)
	}
	path := filepath.Join("testdata", "stored.txt")
	if *update {
		must(t, os.MkdirAll("testdata", 0o750))
		must(t, os.WriteFile(path, []byte(stored.String()), 0o600))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if stored.String() != string(want) {
		t.Errorf("stored:\n%swant:\n%s", &stored, want)
	}
	_, err = r.broker.JetStream().Publish(ctx, broker.APIKeySubject("member", r.user.Owner(), key.ID), []byte(`{"v":2}`))
	must(t, err)
	r.Forget()
	_, err = r.Identify(ctx, secret)
	wantErr(t, "a key of a later version", err, kv.ErrNewer)
	// A deletion of the account removes it all the same.
	var forgotten []string
	must(t, r.Erase(ctx, r.user.Owner(), func(_ context.Context, ids []string) error {
		forgotten = ids
		return nil
	}))
	if list, err := r.List(ctx, r.user.Owner()); err != nil || len(list) > 0 || !slices.Equal(forgotten, []string{key.ID}) {
		t.Errorf("left after an erasure: %v, %v; forgotten %v", list, err, forgotten)
	}
}

// TestRevokedStaysRevoked cuts the power right after a key was created and another one, which was used before, was revoked.
func TestRevokedStaysRevoked(t *testing.T) {
	t.Parallel()
	ctx, dir, syncs := t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "syncs")
	observer, err := brokertest.NewSyncLog(syncs)
	must(t, err)
	open := func(dir string) *rig {
		r := &rig{log: &bytes.Buffer{}, clock: clocktest.New(time.Now())}
		r.broker = brokertest.Start(t, func(c *broker.Config) { c.DataDir, c.Sync, c.SyncObserver = dir, "always", observer })
		r.accounts, err = account.New(ctx, r.broker, accounttest.Config(t), []byte("a secret of the tests"))
		must(t, err)
		r.Keys = r.open(t)
		return r
	}
	r := open(dir)
	r.user, err = r.accounts.Register(ctx, "Ann", "ann@example.org", "correct horse")
	must(t, err)
	revoked, secret, err := r.Create(ctx, r.user, apikey.Request{Name: "a", Scopes: []string{"read"}})
	must(t, err)
	_, err = r.Identify(ctx, secret)
	must(t, err)
	must(t, r.Revoke(ctx, r.user.Owner(), revoked.ID))
	_, kept, err := r.Create(ctx, r.user, apikey.Request{Name: "b", Scopes: []string{"read"}})
	must(t, err)
	after := open(brokertest.CutPower(t, dir, syncs))
	_, err = after.Identify(ctx, secret)
	wantErr(t, "a revoked key after a power failure", err, apikey.ErrUnknown)
	_, err = after.Identify(ctx, kept)
	must(t, err)
}
