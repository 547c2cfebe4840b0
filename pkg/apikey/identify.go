package apikey

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// fresh is how long a key and its account are remembered, counted from before they are read. It is less than a second by as
	// much as a request may take from the check of its key to its effect.
	fresh = 750 * time.Millisecond
	// maxCached bounds the remembered keys: about 4 MiB.
	maxCached = 4096
	// readTimeout bounds a lookup, which several requests may share.
	readTimeout = 10 * time.Second
	// useEvery is how often the time of the last use is stored.
	useEvery = time.Minute
	// useTimeout bounds that, since a request waits for it.
	useTimeout = time.Second
)

// Identity is a valid key and, unless it is one of the operator, the account it acts for. It is shared and must not be changed.
type Identity struct {
	Key  *Key
	User *account.User
}

// Identify returns the key and the account of a secret. It fails with ErrMalformed, ErrUnknown, ErrExpired or account.ErrDisabled. A
// key that this process has seen within the last 750 ms costs nothing, any other one a read of the key and one of the account;
// requests that arrive meanwhile share them. Once a minute it also costs a publish, which records the use.
func (k *Keys) Identify(ctx context.Context, secret string) (*Identity, error) {
	if !wellFormed(secret) {
		return nil, ErrMalformed
	}
	h := hashOf(secret)
	id, err := k.identify(ctx, h)
	if err != nil {
		return nil, err
	}
	if id.Key.Expired(k.now()) {
		return nil, ErrExpired
	}
	return id, nil
}

func (k *Keys) identify(ctx context.Context, h hash) (*Identity, error) {
	for {
		began := time.Now()
		if id := k.cache.get(h, began); id != nil {
			return id, nil
		}
		// One reader reads for all, and not for the request that came first, whose client may disconnect.
		done := k.reads.DoChan(string(h[:]), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
			defer cancel()
			return k.read(ctx, h)
		})
		select {
		case result := <-done:
			id, _ := result.Val.(cached)
			// A slow read that began before this request may have missed a revocation.
			if result.Err != nil || !id.read.Before(began) || time.Since(id.read) < fresh {
				return id.identity, result.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("read API key: %w", context.Cause(ctx))
		}
	}
}

// read reads a key and its account from NATS and remembers them.
func (k *Keys) read(ctx context.Context, h hash) (cached, error) {
	began := time.Now()
	e, err := k.keys.Get(ctx, broker.AnyAPIKeySubject(h.id()))
	switch {
	case errors.Is(err, kv.ErrNotFound), err == nil && e.Value.Hash != h.String():
		return cached{}, ErrUnknown
	case err != nil:
		return cached{}, err
	}
	id := &Identity{Key: &e.Value}
	if !id.Key.IsAdmin() {
		id.User, err = k.accounts.Find(ctx, id.Key.Account, id.Key.User)
		if errors.Is(err, account.ErrUnknown) {
			return cached{}, ErrUnknown
		}
		if err != nil {
			return cached{}, err
		}
	}
	if k.cache.put(h, id, began, k.now()) {
		k.recordUse(ctx, id.Key, e.Revision)
	}
	return cached{identity: id, read: began}, nil
}

// recordUse stores that a key is used now, unless it was changed or revoked meanwhile.
func (k *Keys) recordUse(ctx context.Context, key *Key, revision uint64) {
	used := *key
	used.V, used.LastUsedAt = job.Version, job.AtPtr(k.now())
	if key.Expired(used.LastUsedAt.Time) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	defer cancel()
	_, err := k.uses.Update(ctx, key.subject(), used, revision)
	if err != nil && !errors.Is(err, kv.ErrConflict) {
		k.log.WarnContext(ctx, "cannot store the last use of an API key", slog.String("api_key", key.ID), slog.Any("error", err))
	}
}

// cache holds the identities that this process has read lately.
type cache struct {
	mu sync.RWMutex
	by map[hash]cached
}

type cached struct {
	identity *Identity
	read     time.Time
	// recorded is when this process last tried to store a use.
	recorded time.Time
}

// get returns an identity that is fresh, or nil.
func (c *cache) get(h hash, now time.Time) *Identity {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.by[h]; ok && now.Sub(e.read) < fresh {
		return e.identity
	}
	return nil
}

// put stores an identity that was read at a time, and reports whether its use is to be recorded at now.
func (c *cache) put(h hash, id *Identity, read, now time.Time) (record bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[hash]cached)
	}
	if len(c.by) >= maxCached {
		c.shrink(read)
	}
	recorded := c.by[h].recorded
	last := id.Key.LastUsedAt
	if record = now.Sub(recorded) >= useEvery && (last == nil || now.Sub(last.Time) >= useEvery); record {
		recorded = now
	}
	c.by[h] = cached{identity: id, read: read, recorded: recorded}
	return record
}

// shrink removes what is no longer fresh, or everything.
func (c *cache) shrink(now time.Time) {
	for h, e := range c.by {
		if now.Sub(e.read) >= fresh {
			delete(c.by, h)
		}
	}
	if len(c.by) >= maxCached {
		clear(c.by)
	}
}

// forget removes the identity of a key.
func (c *cache) forget(h hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.by, h)
}
