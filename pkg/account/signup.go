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

// SignupWindow is the window of the limit on sign-ups.
const SignupWindow = time.Hour

// signups is the stored list of the sign-ups of one client within the window. All processes share it.
type signups struct {
	V  int        `json:"v"`
	At []job.Time `json:"at"`
}

func (*signups) ttl() time.Duration { return SignupWindow }

// CountSignup counts a sign-up of a client, whose name must be a valid token and should not reveal an address. If there are
// already limit sign-ups within SignupWindow, it counts nothing and returns how long to wait. It returns ErrBusy when the client
// sends too many concurrent requests. It costs a read and one acknowledged publish.
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

// ForgetSignup uncounts the last sign-up of a client, for when its account could not be created for reasons outside the
// user's control.
func (a *Accounts) ForgetSignup(ctx context.Context, client string) error {
	return a.changeSignups(ctx, client, func(s *signups, _ time.Time) bool {
		if len(s.At) == 0 {
			return false
		}
		s.At = s.At[:len(s.At)-1]
		return true
	})
}

// changeSignups edits the sign-ups of a client within the window. edit returns false to store nothing.
func (a *Accounts) changeSignups(ctx context.Context, client string, edit func(*signups, time.Time) bool) error {
	_, err := a.signups.Change(ctx, broker.SignupsSubject(client), func(e *kv.Entry[signups]) error {
		now := a.now()
		// Keep sign-ups in the future, because clocks differ, but not beyond the window.
		e.Value.At = slices.DeleteFunc(e.Value.At, func(at job.Time) bool { return now.Sub(at.Time).Abs() >= SignupWindow })
		if e.Value.V = job.Version; !edit(&e.Value, now) {
			return kv.ErrUnchanged
		}
		return nil
	})
	if errors.Is(err, kv.ErrConflict) {
		return fmt.Errorf("count sign-up: %w", ErrBusy)
	}
	return err
}
