package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// SignupWindow is the time within which sign-ups from one place are counted together.
const SignupWindow = time.Hour

// signups are the sign-ups of one place within the window, as they are stored. Every process counts in the same record.
type signups struct {
	V  int        `json:"v"`
	At []job.Time `json:"at"`
}

// CountSignup counts a sign-up from a place, which must be a valid token and should tell nobody where that is. Of more than
// most within SignupWindow it counts none and returns how long to wait instead. It fails with ErrBusy when too many come
// from the place at once. It costs a read and one acknowledged publish.
func (a *Accounts) CountSignup(ctx context.Context, from string, most int) (wait time.Duration, err error) {
	err = a.changeSignups(ctx, from, func(s *signups, now time.Time) bool {
		if len(s.At) >= most {
			wait = s.At[len(s.At)-most].Add(SignupWindow).Sub(now)
			return false
		}
		wait, s.At = 0, append(s.At, job.At(now))
		return true
	})
	return wait, err
}

// ForgetSignup takes back the latest sign-up from a place, because it made no account through no fault of whoever asked.
func (a *Accounts) ForgetSignup(ctx context.Context, from string) error {
	return a.changeSignups(ctx, from, func(s *signups, _ time.Time) bool {
		if len(s.At) == 0 {
			return false
		}
		s.At = s.At[:len(s.At)-1]
		return true
	})
}

// changeSignups reads the sign-ups of a place that count at this moment and stores them again if alter says so, until nobody
// comes in between.
func (a *Accounts) changeSignups(ctx context.Context, from string, alter func(*signups, time.Time) bool) error {
	subject := broker.SignupsSubject(from)
	for range maxTries {
		now := a.now()
		s, sequence, err := a.readSignups(ctx, subject)
		if err != nil {
			return err
		}
		// One from the future counts as well: clocks differ, but not by the whole window.
		s.At = slices.DeleteFunc(s.At, func(at job.Time) bool { return now.Sub(at.Time).Abs() >= SignupWindow })
		if !alter(s, now) {
			return nil
		}
		data, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode sign-ups: %w", err)
		}
		_, err = a.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(sequence), jetstream.WithMsgTTL(SignupWindow))
		if err = published(err); !errors.Is(err, errConflict) {
			return err
		}
	}
	return fmt.Errorf("count a sign-up: %w", ErrBusy)
}

// readSignups returns the sign-ups of a place and their revision. What a newer program wrote counts as none.
func (a *Accounts) readSignups(ctx context.Context, subject string) (*signups, uint64, error) {
	s := &signups{V: job.Version}
	msg, err := broker.LeaderLast(ctx, a.js, broker.ResetsStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return s, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read sign-ups: %w", err)
	}
	var stored signups
	if json.Unmarshal(msg.Data, &stored) == nil && stored.V <= job.Version {
		s.At = stored.At
	}
	return s, msg.Sequence, nil
}
