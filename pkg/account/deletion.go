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

// Deletion is the deletion of an account, which is under way or was completed a short while ago. It is stored before
// anything is removed, so that it is completed whichever process dies.
type Deletion struct {
	// Owner identifies the owner whose data is removed.
	Owner string
	// Started is when the deletion was requested.
	Started time.Time
	// AccountGone says that the account itself is removed. What is left of the deletion then is a marker without content.
	AccountGone bool
	// key is that of the account.
	key string
	// revision is that of the stored deletion.
	revision uint64
}

// storedDeletion is a deletion that has begun, as it is stored. Once the account is gone it is replaced by an empty message
// with headers.
type storedDeletion struct {
	V       int      `json:"v"`
	Key     string   `json:"key"`
	Started job.Time `json:"startedAt"`
}

// The headers of the marker that is left of a deletion.
const (
	headerKey     = "Account-Key"
	headerStarted = "Deletion-Started"
)

// BeginDeletion stores that an account is to be deleted. From then on the sweeper of some process completes the deletion,
// even if this process dies. It fails with ErrFull and costs one acknowledged publish.
func (a *Accounts) BeginDeletion(ctx context.Context, u *User) (*Deletion, error) {
	d := &Deletion{Owner: u.Owner(), Started: a.now(), key: keyOf(u.Email)}
	var err error
	d.revision, err = a.deletions.Put(ctx, broker.DeletionSubject(d.Owner), storedDeletion{V: job.Version, Key: d.key, Started: job.At(d.Started)})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// RemoveAccount removes the account itself with its links and tokens, and leaves a marker of the deletion without content. It
// may be repeated. It costs a handful of requests.
func (a *Accounts) RemoveAccount(ctx context.Context, d *Deletion) error {
	// Somebody may sign in at this moment, which changes the account.
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

// deleteOf deletes the account of a deletion, unless its address has no account or another one by now.
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

// removeTokens removes the tokens that were e-mailed to a deleted account, and leaves those of a later account with its
// address.
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

// DeletionPending reports whether the account of an owner is being deleted or was deleted a short while ago. It costs one
// request.
func (a *Accounts) DeletionPending(ctx context.Context, owner string) (bool, error) {
	e, err := a.deletions.Get(ctx, broker.DeletionSubject(owner))
	if e.Revision > 0 || errors.Is(err, kv.ErrNotFound) {
		return e.Revision > 0, nil // With a revision there is a deletion or its marker.
	}
	return false, err
}

// Deletions returns all deletions that are not forgotten, the oldest first. It leaves out those that it cannot decode and
// returns an error besides the others then. It costs one request for each five hundred.
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

// Restored reports whether a deleted account exists again, as after an import. What belongs to it must not be removed then.
// It costs one request.
func (a *Accounts) Restored(ctx context.Context, d *Deletion) (bool, error) {
	u, _, err := a.read(ctx, d.key)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	return err == nil && d.AccountGone && u.Owner() == d.Owner, err
}

// decodeDeletion decodes a stored deletion or its marker. It returns nil for one of a newer version of the program, which
// completes it.
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
