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
)

// Deletion is an account that is being deleted, or was a short while ago. It is stored before anything is removed, so that
// whatever dies in between, somebody finishes it.
type Deletion struct {
	// Owner is whose things are to be removed.
	Owner string
	// Started is when the deletion was asked for.
	Started time.Time
	// AccountGone says that the account itself is removed. What is left of the record then is a mark without content.
	AccountGone bool
	// key is under which the account was stored.
	key string
	// revision is that of the stored record.
	revision uint64
}

// storedDeletion is a deletion that has begun, as it is stored. It is replaced by an empty message with headers once the
// account is gone.
type storedDeletion struct {
	V       int      `json:"v"`
	Key     string   `json:"key"`
	Started job.Time `json:"startedAt"`
}

// The headers of the mark that is left of a deletion.
const (
	headerKey     = "Account-Key"
	headerStarted = "Deletion-Started"
)

// BeginDeletion stores that an account is to be deleted. From then on the deletion is finished by whoever finds it, even
// when this process dies. It costs one acknowledged publish.
func (a *Accounts) BeginDeletion(ctx context.Context, u *User) (*Deletion, error) {
	d := &Deletion{Owner: u.Owner(), Started: a.now(), key: key(u.Email)}
	data, err := json.Marshal(storedDeletion{V: job.Version, Key: d.key, Started: job.At(d.Started)})
	if err != nil {
		return nil, fmt.Errorf("encode deletion: %w", err)
	}
	ack, err := a.js.Publish(ctx, broker.DeletionSubject(d.Owner), data)
	if err != nil {
		return nil, fmt.Errorf("begin deletion: %w", published(err))
	}
	d.revision = ack.Sequence
	return d, nil
}

// RemoveAccount takes the account itself away, with its links and tokens, and leaves a mark of the deletion that holds no
// content. It may be repeated. It costs a handful of requests.
func (a *Accounts) RemoveAccount(ctx context.Context, d *Deletion) error {
	var err error
	for range maxTries {
		// Somebody may sign in at this moment, which changes the account.
		if err = a.removeAccount(ctx, d); !errors.Is(err, errConflict) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := a.dropTokens(ctx, d); err != nil || d.AccountGone {
		return err
	}
	mark := nats.NewMsg(broker.DeletionSubject(d.Owner))
	mark.Header.Set("KV-Operation", "PURGE")
	mark.Header.Set(headerKey, d.key)
	mark.Header.Set(headerStarted, d.Started.UTC().Format(time.RFC3339Nano))
	ack, err := a.js.PublishMsg(ctx, mark)
	if err != nil {
		return fmt.Errorf("mark deletion: %w", published(err))
	}
	d.AccountGone, d.revision = true, ack.Sequence
	return nil
}

func (a *Accounts) removeAccount(ctx context.Context, d *Deletion) error {
	u, _, err := a.read(ctx, d.key)
	if errors.Is(err, ErrUnknown) || (err == nil && u.Owner() != d.Owner) {
		return nil // The address may have another account by now.
	}
	if err != nil {
		return err
	}
	if err := a.Delete(ctx, u); err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	return nil
}

// tokenSubjects returns where tokens of an account lie that were sent to its address.
func tokenSubjects(key string) []string {
	return []string{broker.ResetSubject(key), broker.VerificationSubject(key)}
}

// dropTokens removes what a link was sent for to the address of a deleted account, unless it is a later account's.
func (a *Accounts) dropTokens(ctx context.Context, d *Deletion) error {
	for _, subject := range tokenSubjects(d.key) {
		r, sequence, err := a.readReset(ctx, subject)
		switch {
		case errors.Is(err, ErrReset), err == nil && (&User{ID: r.UserID}).Owner() != d.Owner:
			continue
		case err != nil:
			return err
		}
		if err := a.resets.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(sequence+1)); err != nil {
			return fmt.Errorf("delete token: %w", err)
		}
	}
	return nil
}

// DeletionPending reports whether the account of an owner is being deleted or was a short while ago. It asks the stream's
// leader and costs one request.
func (a *Accounts) DeletionPending(ctx context.Context, owner string) (bool, error) {
	_, err := broker.LeaderLast(ctx, a.js, broker.UsersStream, broker.DeletionSubject(owner))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a deletion: %w", err)
	}
	return true, nil
}

// Deletions returns all deletions that are not forgotten, the oldest first. What cannot be read is left out, and reported
// by the error beside the others. It costs one request for each five hundred.
func (a *Accounts) Deletions(ctx context.Context) ([]*Deletion, error) {
	var list []*Deletion
	var unreadable error
	err := broker.Range(ctx, a.js, broker.UsersStream, broker.DeletionsSubject(), 1, math.MaxUint64, func(msg *jetstream.RawStreamMsg) (bool, error) {
		d, err := decodeDeletion(msg)
		if d != nil {
			list = append(list, d)
		}
		unreadable = errors.Join(unreadable, err)
		return true, nil
	})
	if err = errors.Join(err, unreadable); err != nil {
		err = fmt.Errorf("list deletions: %w", err)
	}
	return list, err
}

// Restored reports whether a deleted account exists again, as after an import of it. What belongs to it is then its own.
// It costs one request.
func (a *Accounts) Restored(ctx context.Context, d *Deletion) (bool, error) {
	u, _, err := a.read(ctx, d.key)
	if errors.Is(err, ErrUnknown) {
		return false, nil
	}
	return err == nil && d.AccountGone && u.Owner() == d.Owner, err
}

// decodeDeletion reads a stored deletion or the mark of one; nil for one that a newer program wrote, which that finishes.
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
		return nil, errors.New("decode deletion: not a deletion")
	}
	if stored.V > job.Version {
		return nil, nil
	}
	d.key, d.Started = stored.Key, stored.Started.Time
	return d, nil
}

// ForgetDeletion removes the mark of a deletion that is over. It costs one request.
func (a *Accounts) ForgetDeletion(ctx context.Context, d *Deletion) error {
	err := a.users.Purge(ctx, jetstream.WithPurgeSubject(broker.DeletionSubject(d.Owner)), jetstream.WithPurgeSequence(d.revision+1))
	if err != nil {
		return fmt.Errorf("forget deletion: %w", err)
	}
	return nil
}
