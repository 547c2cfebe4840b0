package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// read returns an account and its revision, from the stream's leader: a replica may not know yet that a password was
// changed. It fails with ErrUnknown.
func (a *Accounts) read(ctx context.Context, key string) (*User, uint64, error) {
	msg, err := broker.LeaderLast(ctx, a.js, broker.UsersStream, broker.UserSubject(key))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, ErrUnknown
	case err != nil:
		return nil, 0, fmt.Errorf("read account: %w", err)
	case len(msg.Data) == 0:
		return nil, 0, ErrUnknown
	}
	u, err := decodeUser(msg.Data)
	return u, msg.Sequence, err
}

// create stores a new account. It fails with ErrTaken when there is one. It costs one acknowledged publish, and two
// requests more where the address had an account that was deleted.
func (a *Accounts) create(ctx context.Context, u *User) error {
	revision := uint64(0)
	for range maxTries {
		err := a.write(ctx, u, revision)
		if !errors.Is(err, errConflict) {
			return err
		}
		msg, err := broker.LeaderLast(ctx, a.js, broker.UsersStream, broker.UserSubject(key(u.Email)))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			revision = 0
		case err != nil:
			return fmt.Errorf("read account: %w", err)
		case len(msg.Data) > 0:
			return ErrTaken
		default:
			revision = msg.Sequence
		}
	}
	return fmt.Errorf("store account: %w", errConflict)
}

// clear takes the place of an account with an empty mark, unless it was changed since the revision. It fails with
// errConflict then. The mark stays: NATS does not write down that a record gave way to a newer one, so when it is killed
// behind a purge it finds the one before the last in its files, and the account would be there again.
func (a *Accounts) clear(ctx context.Context, key string, revision uint64) error {
	mark := nats.NewMsg(broker.UserSubject(key))
	mark.Header.Set("KV-Operation", "PURGE")
	_, err := a.js.PublishMsg(ctx, mark, jetstream.WithExpectLastSequencePerSubject(revision))
	return published(err)
}

var errConflict = errors.New("changed meanwhile")

// write stores an account, unless it was changed since the revision. It fails with errConflict then.
func (a *Accounts) write(ctx context.Context, u *User, revision uint64) error {
	data, err := u.encode()
	if err != nil {
		return err
	}
	_, err = a.js.Publish(ctx, broker.UserSubject(key(u.Email)), data, jetstream.WithExpectLastSequencePerSubject(revision))
	return published(err)
}

// published gives the answers to a publish their names.
func published(err error) error {
	if err == nil {
		return nil
	}
	if broker.Conflict(err) {
		return errConflict
	}
	if broker.NoRoom(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("store account: %w", err)
}

// maxTries bounds how often a change is tried again because somebody else was faster.
const maxTries = 20

// change reads the account of an address, has alter change it and stores it, again and again until nobody came in
// between. What alter fails with ends it.
func (a *Accounts) change(ctx context.Context, email string, alter func(*User) error) (*User, error) {
	for range maxTries {
		u, revision, err := a.read(ctx, key(email))
		if err != nil {
			return nil, err
		}
		if err := alter(u); err != nil {
			return nil, err
		}
		err = a.write(ctx, u, revision)
		if !errors.Is(err, errConflict) {
			return u, err
		}
	}
	return nil, fmt.Errorf("store account: %w", errConflict)
}
