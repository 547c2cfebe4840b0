package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Deletion is a pending or recently completed deletion of an account. It is stored before anything is removed, so that
// another process can complete it.
type Deletion struct {
	// Owner identifies the owner whose data is removed.
	Owner string
	// Started is when the deletion was requested.
	Started time.Time
	// AccountGone reports that the account itself is removed and that the stored deletion is only a marker.
	AccountGone bool
	key         string // key of the account
	revision    uint64 // revision of the stored deletion
}

// storedDeletion is the stored form of a Deletion. Once the account is removed it is replaced by a marker: an empty message
// with headers.
type storedDeletion struct {
	V       int      `json:"v"`
	Key     string   `json:"key"`
	Started job.Time `json:"startedAt"`
}

// The headers of a marker.
const (
	headerKey     = "Account-Key"
	headerStarted = "Deletion-Started"
)

// BeginDeletion stores a deletion of an account. If this process dies, the sweeper of another one completes the deletion. It
// returns ErrFull when NATS has no room. It costs one acknowledged publish.
func (a *Accounts) BeginDeletion(ctx context.Context, u *User) (*Deletion, error) {
	d := &Deletion{Owner: u.Owner(), Started: a.now(), key: keyOf(u.Email)}
	var err error
	d.revision, err = a.deletions.Put(ctx, broker.DeletionSubject(d.Owner), storedDeletion{V: job.Version, Key: d.key, Started: job.At(d.Started)})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// RemoveAccount removes the account with its links and tokens and replaces the stored deletion by a marker. It is idempotent.
// It costs a handful of requests.
func (a *Accounts) RemoveAccount(ctx context.Context, d *Deletion) error {
	// A concurrent sign-in changes the account.
	if err := kv.Retry(ctx, func() error { return a.deleteOf(ctx, d) }); err != nil {
		return err
	}
	if err := a.removeTokens(ctx, d); err != nil || d.AccountGone {
		return err
	}
	marker := nats.NewMsg(broker.DeletionSubject(d.Owner))
	marker.Header.Set("KV-Operation", "PURGE")
	marker.Header.Set(headerKey, d.key)
	marker.Header.Set(headerStarted, d.Started.UTC().Format(time.RFC3339Nano))
	ack, err := a.js.PublishMsg(ctx, marker)
	switch {
	case broker.NoRoom(err):
		return fmt.Errorf("mark deletion: %w: %w", ErrFull, err)
	case err != nil:
		return fmt.Errorf("mark deletion: %w", err)
	}
	d.AccountGone, d.revision = true, ack.Sequence
	return nil
}

// deleteOf deletes the account of a deletion, unless the address no longer has an account or has a new one.
func (a *Accounts) deleteOf(ctx context.Context, d *Deletion) error {
	u, _, err := a.read(ctx, d.key)
	if err == nil && u.Owner() == d.Owner {
		err = a.Delete(ctx, u)
	}
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// removeTokens removes the email tokens of a deleted account, but not those of a later account with the same address.
func (a *Accounts) removeTokens(ctx context.Context, d *Deletion) error {
	for _, subject := range tokenSubjects(d.key) {
		e, err := a.tokens.Get(ctx, subject)
		switch {
		case errors.Is(err, kv.ErrNotFound), err == nil && (&User{ID: e.Value.UserID}).Owner() != d.Owner:
			continue
		case err != nil:
			return err
		}
		if err := a.tokens.PurgeRevision(ctx, subject, e.Revision); err != nil {
			return err
		}
	}
	return nil
}

// DeletionPending reports whether a deletion or its marker is stored for an owner. It costs one request.
func (a *Accounts) DeletionPending(ctx context.Context, owner string) (bool, error) {
	e, err := a.deletions.Get(ctx, broker.DeletionSubject(owner))
	if e.Revision > 0 || errors.Is(err, kv.ErrNotFound) {
		return e.Revision > 0, nil // A marker is ErrNotFound with a revision.
	}
	return false, err
}

// Deletions returns all stored deletions and markers, the oldest first. It skips those that it cannot decode and returns an
// error along with the others. It costs one request per 500 deletions.
func (a *Accounts) Deletions(ctx context.Context) ([]*Deletion, error) {
	var list []*Deletion
	var malformed error
	err := broker.Range(ctx, a.js, broker.UsersStream, broker.DeletionsSubject(), 1, math.MaxUint64, func(msg *jetstream.RawStreamMsg) (bool, error) {
		d, err := decodeDeletion(msg)
		if d != nil {
			list = append(list, d)
		}
		malformed = errors.Join(malformed, err)
		return true, nil
	})
	if err = errors.Join(err, malformed); err != nil {
		err = fmt.Errorf("list deletions: %w", err)
	}
	return list, err
}

// Restored reports whether a deleted account exists again, for example after an import. Its data must not be removed then. It
// costs one request.
func (a *Accounts) Restored(ctx context.Context, d *Deletion) (bool, error) {
	u, _, err := a.read(ctx, d.key)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	return err == nil && d.AccountGone && u.Owner() == d.Owner, err
}

// decodeDeletion decodes a stored deletion or its marker. It returns nil for a deletion that a newer version of the program
// has stored and will complete.
func decodeDeletion(msg *jetstream.RawStreamMsg) (*Deletion, error) {
	d := &Deletion{
		Owner: msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], Started: msg.Time, AccountGone: len(msg.Data) == 0,
		key: msg.Header.Get(headerKey), revision: msg.Sequence,
	}
	if d.AccountGone {
		if started, err := time.Parse(time.RFC3339Nano, msg.Header.Get(headerStarted)); err == nil {
			d.Started = started
		}
		return d, nil
	}
	var stored storedDeletion
	if err := json.Unmarshal(msg.Data, &stored); err != nil || stored.Key == "" {
		return nil, errors.New("decode deletion: malformed")
	}
	if stored.V > job.Version {
		return nil, nil
	}
	d.key, d.Started = stored.Key, stored.Started.Time
	return d, nil
}

// ForgetDeletion removes the marker of a completed deletion. It costs one request.
func (a *Accounts) ForgetDeletion(ctx context.Context, d *Deletion) error {
	return a.deletions.PurgeRevision(ctx, broker.DeletionSubject(d.Owner), d.revision)
}
