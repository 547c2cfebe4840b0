package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var (
	// ErrMalformed is returned for a key that is incomplete or mistyped, without a lookup.
	ErrMalformed = errors.New("the API key is malformed")
	// ErrUnknown is returned for a key that does not exist or was revoked, and one whose account is deleted.
	ErrUnknown = errors.New("no such API key")
	// ErrExpired is returned for a key that has expired.
	ErrExpired = errors.New("the API key has expired")
	// ErrTooMany is returned when an owner has MaxKeys keys.
	ErrTooMany = errors.New("too many API keys")
	// ErrFull is returned when NATS has no room.
	ErrFull = kv.ErrFull
)

// Keys is the store of keys.
type Keys struct {
	accounts *account.Accounts
	keys     *kv.Bucket[Key]
	// uses stores when a key was last used, which may be lost in a power failure.
	uses  *kv.Bucket[Key]
	cache cache
	reads singleflight.Group
	now   func() time.Time
	log   *slog.Logger
}

// Option configures Keys.
type Option func(*Keys)

// WithClock replaces time.Now for times that are stored and for the expiry of keys.
func WithClock(now func() time.Time) Option { return func(k *Keys) { k.now = now } }

// New returns the keys stored in a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, accounts *account.Accounts, log *slog.Logger, options ...Option) (*Keys, error) {
	stream, err := b.JetStream().Stream(ctx, broker.UsersStream)
	if err != nil {
		return nil, fmt.Errorf("open API keys: %w", err)
	}
	cfg := kv.Config[Key]{Name: "API key", Check: (*Key).check}
	k := &Keys{
		accounts: accounts, keys: kv.New(b.JetStream(), stream, cfg), uses: kv.New(b.Buffered(), stream, cfg), now: time.Now, log: log,
	}
	for _, option := range options {
		option(k)
	}
	return k, nil
}

func (k *Key) subject() string { return broker.APIKeySubject(k.kind(), k.ownerToken(), k.ID) }

func (k *Key) kind() string {
	if k.IsAdmin() {
		return kindAdmin
	}
	return kindMember
}

func (k *Key) ownerToken() string {
	if k.IsAdmin() {
		return adminOwner
	}
	return k.Owner
}

// Create stores a key of a member, or of the operator if u is nil, and returns it with the secret, which is stored nowhere. When it
// returns, the key is on disk. It fails with ErrTooMany, approximately, and with ErrFull. r must have passed Check. It costs a
// request and an acknowledged publish.
func (k *Keys) Create(ctx context.Context, u *account.User, r Request) (key *Key, secret string, err error) {
	created := r.key(k.now())
	if u != nil {
		created.Owner, created.Account, created.User = u.Owner(), u.Key(), u.ID
	}
	existing, err := k.list(ctx, created.kind(), created.ownerToken())
	if err != nil {
		return nil, "", err
	}
	if len(existing) >= MaxKeys {
		return nil, "", ErrTooMany
	}
	secret = newSecret()
	h := hashOf(secret)
	created.ID, created.Hash, created.Shown = h.id(), h.String(), secret[:shownLength]
	if _, err := k.keys.Create(ctx, created.subject(), created); err != nil {
		return nil, "", err
	}
	return &created, secret, nil
}

// List returns the keys of the owner of a member's jobs, newest first. It costs one request.
func (k *Keys) List(ctx context.Context, owner string) ([]*Key, error) {
	return k.list(ctx, kindMember, owner)
}

// ListAdmin returns the keys of the operator, newest first. It costs one request.
func (k *Keys) ListAdmin(ctx context.Context) ([]*Key, error) {
	return k.list(ctx, kindAdmin, adminOwner)
}

func (k *Keys) list(ctx context.Context, kind, owner string) ([]*Key, error) {
	entries, err := k.keys.List(ctx, broker.APIKeySubject(kind, owner, "*"))
	if err != nil {
		return nil, err
	}
	var list []*Key
	for _, e := range entries {
		if e.Err != nil {
			return nil, e.Err
		}
		list = append(list, &e.Value)
	}
	slices.SortFunc(list, func(a, b *Key) int { return b.CreatedAt.Compare(a.CreatedAt.Time) })
	return list, nil
}

// Revoke removes a key of the owner of a member's jobs. When it returns, the removal is on disk; this process rejects the key at
// once and every other one within a second. It fails with ErrUnknown. It costs a read and an acknowledged publish.
func (k *Keys) Revoke(ctx context.Context, owner, id string) error {
	return k.revoke(ctx, kindMember, owner, id)
}

// RevokeAdmin is Revoke for a key of the operator.
func (k *Keys) RevokeAdmin(ctx context.Context, id string) error {
	return k.revoke(ctx, kindAdmin, adminOwner, id)
}

func (k *Keys) revoke(ctx context.Context, kind, owner, id string) error {
	if !job.ValidToken(id) {
		return ErrUnknown
	}
	subject := broker.APIKeySubject(kind, owner, id)
	// A use of the key changes it.
	return kv.Retry(ctx, func() error {
		e, err := k.keys.Get(ctx, subject)
		if errors.Is(err, kv.ErrNotFound) {
			return ErrUnknown
		}
		if err != nil {
			return err
		}
		// A marker takes its place: NATS does not record on disk that a value was replaced, so a server that is killed right after
		// a purge could restore the key as it was before its last use.
		if err := k.keys.Delete(ctx, subject, e.Revision); err != nil {
			return err
		}
		k.cache.forget(e.Value.hash())
		return nil
	})
}

// Erase removes all keys of the owner of a member's jobs, and what is left of revoked ones. The account must be gone already, so that
// no process accepts its keys. Before that it calls forget, if not nil, with the IDs of the keys, to remove what is stored elsewhere
// about them. It is idempotent and costs two requests.
func (k *Keys) Erase(ctx context.Context, owner string, forget func(ctx context.Context, ids []string) error) error {
	// The keys of a newer version cannot be read, but have to be removed as well.
	entries, err := k.keys.List(ctx, broker.APIKeySubject(kindMember, owner, "*"))
	if err != nil {
		return err
	}
	if len(entries) > 0 && forget != nil {
		ids := make([]string, len(entries))
		for i, e := range entries {
			ids[i] = e.Key[strings.LastIndexByte(e.Key, '.')+1:]
		}
		if err := forget(ctx, ids); err != nil {
			return err
		}
	}
	return k.keys.Purge(ctx, broker.APIKeySubject(kindMember, owner, "*"))
}
