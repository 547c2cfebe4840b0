package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/export"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Import is what became of an export.
type Import struct {
	// Imported counts new accounts, and Kept those that were there already: they are left as they are, since their
	// password may have been changed or strengthened meanwhile.
	Imported, Kept int
	// Foreign counts the entries of the same store that are no accounts.
	Foreign int
	// Unverifiable counts those of the new accounts whose password was hashed in a way that is not known here: their
	// owners have to set a new one by mail.
	Unverifiable int
	// Skipped are the entries that could not be taken, and Unnamed counts those that are too many to be named.
	Skipped []Skipped
	Unnamed int
	// made are the ids of the new accounts.
	made map[string]bool
}

// Skipped is an entry of an export that was not taken. It holds nothing of what the entry says.
type Skipped struct {
	// Entry counts from 1, in the order of the export.
	Entry  int
	Reason string
}

// maxReasons bounds how many entries are named.
const maxReasons = 10_000

// entry is an entry of an export.
type entry export.Entry

// isForeign reports whether an entry is something else that lay in the same store.
func (e entry) isForeign() bool {
	return slices.ContainsFunc([]string{"RATE_LIMIT:", "USAGE:", "__health__:"}, func(prefix string) bool { return strings.HasPrefix(e.Name, prefix) })
}

// Import reads an export of the store of accounts, a JSON array of {name or key, value}, and makes the accounts that are
// not there yet. It may be repeated. It fails when the export is no such array, or NATS takes no more; what was imported
// until then stays. It costs two requests for each new account, and three more for one that Google opens.
func (a *Accounts) Import(ctx context.Context, from io.Reader) (*Import, error) {
	ids, err := a.ids(ctx)
	if err != nil {
		return nil, err
	}
	done := &Import{made: make(map[string]bool)}
	take := func(e entry) error {
		reason, err := a.take(ctx, e, ids, done)
		switch {
		case err != nil:
			return fmt.Errorf("import entry %d: %w", e.Place, err)
		case reason == "":
		case len(done.Skipped) == maxReasons:
			done.Unnamed++
		default:
			done.Skipped = append(done.Skipped, Skipped{e.Place, reason})
		}
		return nil
	}
	// Of two keys that differ by capital letters alone the small one comes first: tokens were looked up by that one. What
	// was set later under the other one is taken from there.
	var late []entry
	err = export.Each(from, func(x export.Entry) error {
		e := entry(x)
		if e.Name != normal(e.Name) && !e.isForeign() {
			late = append(late, e)
			return nil
		}
		return take(e)
	})
	if err != nil {
		return done, err
	}
	for _, e := range late {
		if err := take(e); err != nil {
			return done, err
		}
	}
	return done, nil
}

// take imports one entry, or says why not.
func (a *Accounts) take(ctx context.Context, e entry, ids map[string]string, done *Import) (reason string, err error) {
	if e.isForeign() {
		done.Foreign++
		return "", nil
	}
	u, reason := e.user(a.now())
	if reason != "" {
		return reason, nil
	}
	if address, there := ids[u.ID]; there && address != u.Email {
		return "another account has its id", nil
	}
	err = a.create(ctx, u)
	if err == nil {
		ids[u.ID], done.made[u.ID] = u.Email, true
		done.Imported++
		if u.HasPassword() && !u.verifiable() {
			done.Unverifiable++
		}
		return "", a.bindImported(ctx, u, true)
	}
	if !errors.Is(err, ErrTaken) {
		return "", err
	}
	there, _, err := a.read(ctx, key(u.Email))
	if err != nil {
		return "", err
	}
	if there.ID != u.ID {
		return "another account has its e-mail address", nil
	}
	done.Kept++
	if done.made[u.ID] && u.passwordAfter(there) {
		if there, err = a.takePassword(ctx, u); err != nil {
			return "", err
		}
	}
	// An import that was broken off may have left this out.
	return "", a.bindImported(ctx, there, false)
}

// passwordAfter reports whether the password was set later than the one of another copy of the account.
func (u *User) passwordAfter(other *User) bool {
	return u.verifiable() && u.PasswordUpdatedAt != nil &&
		(other.PasswordUpdatedAt == nil || u.PasswordUpdatedAt.After(other.PasswordUpdatedAt.Time))
}

// takePassword gives an account that was just imported the password of its other copy: the system before copied accounts
// to the address in small letters, and set a new password only under the address as it was typed.
func (a *Accounts) takePassword(ctx context.Context, from *User) (*User, error) {
	return a.change(ctx, from.Email, func(u *User) error {
		if from.passwordAfter(u) {
			u.Password, u.PasswordUpdatedAt = from.Password, from.PasswordUpdatedAt
		}
		return nil
	})
}

// user returns the account of an entry, or why there is none in it.
func (e entry) user(now time.Time) (u *User, reason string) {
	u, err := readRecord(e.Value, now)
	if err != nil {
		return nil, "its value is not the JSON of an account"
	}
	if u.Email == "" {
		u.Email = e.Name
	}
	u.Email, u.Username = normal(u.Email), strings.TrimSpace(u.Username)
	switch {
	case u.ID == "":
		return nil, "it has no id"
	case !emailForm.MatchString(u.Email) || len(u.Email) > MaxEmail:
		return nil, "it has no e-mail address"
	case normal(e.Name) != u.Email:
		return nil, "its key is another address than its own"
	case !u.HasPassword() && u.AuthProvider == "":
		return nil, "it has no password and no other way to sign in"
	}
	if u.Username == "" {
		u.Username, _, _ = strings.Cut(u.Email, "@")
	}
	return u, ""
}

// ids returns the addresses of all accounts by their ids.
func (a *Accounts) ids(ctx context.Context) (map[string]string, error) {
	ids := make(map[string]string)
	info, err := a.users.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for accounts: %w", err)
	}
	if info.State.Msgs == 0 {
		return ids, nil
	}
	err = broker.Range(ctx, a.js, broker.UsersStream, broker.UsersSubject(), info.State.FirstSeq, info.State.LastSeq, func(m *jetstream.RawStreamMsg) (bool, error) {
		u, err := decodeUser(m.Data)
		if errors.Is(err, job.ErrNewer) || len(m.Data) == 0 {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		ids[u.ID] = u.Email
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return ids, nil
}
