package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// read returns an account and its revision, or ErrUnknown. It reads from the stream's leader: a replica may lag behind a
// password change.
func (a *Accounts) read(ctx context.Context, key string) (*User, uint64, error) {
	return found(a.users.Get(ctx, broker.UserSubject(key)))
}

// readRecent is read for what must see the changes of this process at once, and those of others within a second. It costs no
// request if this process has just read the account and NATS runs in it.
func (a *Accounts) readRecent(ctx context.Context, key string) (*User, error) {
	u, _, err := found(a.users.GetRecent(ctx, broker.UserSubject(key)))
	return u, err
}

func found(e kv.Entry[User], err error) (*User, uint64, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return nil, 0, ErrUnknown
	}
	if err != nil {
		return nil, 0, err
	}
	return &e.Value, e.Revision, nil
}

// create stores a new account. It returns ErrTaken when the address has one. It costs one acknowledged publish, and two more
// requests if an account with the address was deleted.
func (a *Accounts) create(ctx context.Context, u *User) error {
	u.V = job.Version
	_, err := a.users.Create(ctx, broker.UserSubject(keyOf(u.Email)), *u)
	if errors.Is(err, kv.ErrConflict) {
		return ErrTaken
	}
	return err
}

// change edits the account with a key and stores it. It retries on a concurrent write. It returns ErrUnknown or the error of
// edit.
func (a *Accounts) change(ctx context.Context, key string, edit func(*User) error) (*User, error) {
	e, err := a.users.Change(ctx, broker.UserSubject(key), func(e *kv.Entry[User]) error {
		if !e.Exists {
			return ErrUnknown
		}
		e.Value.V = job.Version
		return edit(&e.Value)
	})
	if err != nil {
		return nil, err
	}
	return &e.Value, nil
}

// update is like change, but returns ErrUnknown when the address of u has another account by now.
func (a *Accounts) update(ctx context.Context, u *User, edit func(*User) error) (*User, error) {
	return a.change(ctx, keyOf(u.Email), func(stored *User) error {
		if stored.ID != u.ID {
			return ErrUnknown
		}
		return edit(stored)
	})
}

// check rejects an incomplete record, and with job.ErrNewer a record of a newer version of the program.
func (u *User) check() error {
	switch {
	case u.V > job.Version:
		return job.ErrNewer
	case u.V < 1 || u.ID == "" || u.Email == "":
		return errors.New("incomplete")
	}
	return nil
}

// decodeUser decodes a stored account.
func decodeUser(data []byte) (*User, error) {
	var u User
	if json.Unmarshal(data, &u) != nil {
		return nil, errors.New("decode account: malformed")
	}
	if err := u.check(); err != nil {
		return nil, fmt.Errorf("decode account: %w", err)
	}
	return &u, nil
}
