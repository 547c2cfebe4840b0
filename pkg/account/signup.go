package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// SignupWindow is the time within which sign-ups from one client are counted together.
const SignupWindow = time.Hour

// signups are the sign-ups of one client within the window, as they are stored. All processes share the record.
type signups struct {
	V  int        `json:"v"`
	At []job.Time `json:"at"`
}

// check rejects what a newer version of the program has stored, which then counts as no sign-ups.
func (s *signups) check() error {
	if s.V > job.Version {
		return job.ErrNewer
	}
	return nil
}

func (*signups) ttl() time.Duration { return SignupWindow }

// CountSignup counts a sign-up of a client, which is a valid token and should not reveal an address. Once there are limit
// sign-ups within SignupWindow it counts no more and returns how long to wait instead. It fails with ErrBusy when too many
// come from the client at once. It costs a read and one acknowledged publish.
func (a *Accounts) CountSignup(ctx context.Context, client string, limit int) (wait time.Duration, err error) {
	err = a.changeSignups(ctx, client, func(s *signups, now time.Time) bool {
		if len(s.At) >= limit {
			wait = s.At[len(s.At)-limit].Add(SignupWindow).Sub(now)
			return false
		}
		wait, s.At = 0, append(s.At, job.At(now))
		return true
	})
	return wait, err
}

// ForgetSignup takes back the latest sign-up of a client, whose account could not be created for no fault of the user.
func (a *Accounts) ForgetSignup(ctx context.Context, client string) error {
	return a.changeSignups(ctx, client, func(s *signups, _ time.Time) bool {
		if len(s.At) == 0 {
			return false
		}
		s.At = s.At[:len(s.At)-1]
		return true
	})
}

// changeSignups edits the sign-ups of a client that count at this moment. edit reports whether there is something to store.
func (a *Accounts) changeSignups(ctx context.Context, client string, edit func(*signups, time.Time) bool) error {
	_, err := a.signups.Change(ctx, broker.SignupsSubject(client), func(e *kv.Entry[signups]) error {
		now := a.now()
		// One from the future counts as well: clocks differ, but not by the whole window.
		e.Value.At = slices.DeleteFunc(e.Value.At, func(at job.Time) bool { return now.Sub(at.Time).Abs() >= SignupWindow })
		if e.Value.V = job.Version; !edit(&e.Value, now) {
			return kv.ErrUnchanged
		}
		return nil
	})
	if errors.Is(err, kv.ErrConflict) {
		return fmt.Errorf("count a sign-up: %w", ErrBusy)
	}
	return err
}
