package account

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Deliver brings the link of a password reset to the person with an address, in a language.
type Deliver func(ctx context.Context, to, link string, lang job.Lang) error

const (
	// maxAsked bounds how many resets wait to be sent; what comes on top is dropped, and its sender may ask again.
	maxAsked = 256
	// deliverTimeout bounds one delivery.
	deliverTimeout = 30 * time.Second
	// maxSenders bounds how many e-mails are handed over at once: a server that is slow with one must not delay all others.
	maxSenders = 8
)

// Notify tells the person with an address what was done to the account, in a language.
type Notify func(ctx context.Context, to string, about Notice, lang job.Lang) error

// pauses lie before further tries of a letter that a mail server does not take for now: many refuse a stranger's first
// one for some minutes.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}

// Recovery makes password resets and has letters about passwords delivered, behind the back of whoever asks: how long an
// answer takes does not tell whether somebody has an account. What cannot be delivered for now is tried again for some
// minutes. What waits when the process ends is lost, and a reset can be asked for again.
type Recovery struct {
	accounts *Accounts
	base     func() string
	deliver  Deliver
	notify   Notify
	verify   Deliver
	pauses   []time.Duration
	log      *slog.Logger

	asked chan ask
	again chan struct{}
	// senders is taken by each delivery that is under way.
	senders chan struct{}
	stop    context.CancelFunc
	done    sync.WaitGroup
	failed  atomic.Bool
	// refused counts recipients that were refused in a row.
	refused atomic.Int32
}

// ask is what somebody asks for: the link of a reset, with verify the link that confirms the address or, with about, word
// of what was done to the account.
type ask struct {
	email string
	lang  job.Lang
	about Notice
	// verify asks for the link that confirms the address.
	verify bool
}

// RecoveryOption changes a new recovery.
type RecoveryOption func(*Recovery)

// WithNotices has people told of what was done to their accounts.
func WithNotices(notify Notify) RecoveryOption { return func(r *Recovery) { r.notify = notify } }

// WithVerifications has links that confirm addresses delivered.
func WithVerifications(deliver Deliver) RecoveryOption {
	return func(r *Recovery) { r.verify = deliver }
}

// NewRecovery returns a recovery whose links begin with what base returns. Without deliver it makes no resets at all.
func NewRecovery(a *Accounts, base func() string, deliver Deliver, log *slog.Logger, options ...RecoveryOption) *Recovery {
	r := &Recovery{
		accounts: a, base: base, deliver: deliver, pauses: pauses, log: log,
		asked: make(chan ask, maxAsked), again: make(chan struct{}, maxAsked), senders: make(chan struct{}, maxSenders),
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// Start begins to deliver, until Stop. Resets are made one after the other, in the order in which they were asked for, so
// that the latest link of an account is the one that works; the e-mails are sent several at a time.
func (r *Recovery) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case next := <-r.asked:
				if !r.acquire(ctx) {
					return
				}
				r.serve(ctx, next)
			}
		}
	})
}

// acquire waits for a sender. It reports false when ctx ends before one is free.
func (r *Recovery) acquire(ctx context.Context) bool {
	select {
	case r.senders <- struct{}{}:
		if ctx.Err() == nil {
			return true
		}
		r.release()
	case <-ctx.Done():
	}
	return false
}

func (r *Recovery) release() { <-r.senders }

// Stop breaks off deliveries that are under way.
func (r *Recovery) Stop(context.Context) error {
	r.stop()
	r.done.Wait()
	return nil
}

// Ask has the link of a reset sent to an address, if that has an account. It never waits.
func (r *Recovery) Ask(email string, lang job.Lang) {
	if r.deliver != nil {
		r.put(ask{email: email, lang: lang})
	}
}

// Changed has the owner of an account told that its password was changed, who then can do something about it if it was
// somebody else. It never waits.
func (r *Recovery) Changed(u *User, lang job.Lang) {
	if r.notify != nil {
		r.put(ask{email: u.Email, lang: lang, about: NoticePassword})
	}
}

// Linked has the owner of an account told that a Google account opens it from now on, as Changed does.
func (r *Recovery) Linked(u *User, lang job.Lang) {
	if r.notify != nil {
		r.put(ask{email: u.Email, lang: lang, about: NoticeGoogle})
	}
}

// Verify has the link that confirms the address sent to the owner of an account. It never waits.
func (r *Recovery) Verify(u *User, lang job.Lang) {
	if r.verify != nil {
		r.put(ask{email: u.Email, lang: lang, verify: true})
	}
}

func (r *Recovery) put(next ask) {
	select {
	case r.asked <- next:
	default:
		r.log.Error("too many e-mails are waiting to be sent, dropped one")
	}
}

// Delivers reports whether resets reach people at all, and failing whether the last letter could not be delivered.
func (r *Recovery) Delivers() (delivers, failing bool) { return r.deliver != nil, r.failed.Load() }

// serve makes what an ask needs and sends it in the background. It takes over the caller's sender.
func (r *Recovery) serve(ctx context.Context, next ask) {
	send, err := r.prepare(ctx, next)
	if err != nil {
		r.log.ErrorContext(ctx, "cannot create the link of an e-mail", slog.Any("error", err))
	}
	if send == nil {
		r.release()
		return
	}
	r.done.Go(func() {
		defer r.release()
		r.send(ctx, 0, send)
	})
}

// prepare returns how the e-mail of an ask is sent; nil when there is none to send.
func (r *Recovery) prepare(ctx context.Context, next ask) (send func(context.Context) error, err error) {
	if next.about != "" {
		return func(ctx context.Context) error { return r.notify(ctx, next.email, next.about, next.lang) }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	begin, path, deliver := r.accounts.BeginReset, "/reset-password", r.deliver
	if next.verify {
		begin, path, deliver = r.accounts.BeginVerification, "/verify-email", r.verify
	}
	u, token, err := begin(ctx, next.email)
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	link := r.base() + path + "?token=" + url.QueryEscape(token)
	return func(ctx context.Context) error { return deliver(ctx, u.Email, link, next.lang) }, nil
}

// send hands a letter over and, when that fails for now, has it tried again later.
func (r *Recovery) send(ctx context.Context, tried int, letter func(context.Context) error) {
	bound, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	err := letter(bound)
	if r.note(err); err == nil {
		return
	}
	later := tried < len(r.pauses) && temporary(err) && r.later(ctx, tried, letter)
	r.log.ErrorContext(ctx, "cannot send e-mail", slog.Any("error", err), slog.Bool("tried_again", later))
}

// maxRefused is how many recipients in a row may be refused before that is the server's fault: anybody can sign up with
// an address that nobody has, and must not be able to make the health check complain.
const maxRefused = 5

// note remembers how a delivery ended, for the health check.
func (r *Recovery) note(err error) {
	switch {
	case err == nil:
		r.refused.Store(0)
		r.failed.Store(false)
	case is(err, func(e interface{ Recipient() bool }) bool { return e.Recipient() }):
		if r.refused.Add(1) >= maxRefused {
			r.failed.Store(true)
		}
	default:
		r.failed.Store(true)
	}
}

// later has a letter tried again after a pause, and reports whether it will be: not when too many wait.
func (r *Recovery) later(ctx context.Context, tried int, letter func(context.Context) error) bool {
	select {
	case r.again <- struct{}{}:
	default:
		return false
	}
	r.done.Go(func() {
		defer func() { <-r.again }()
		timer := time.NewTimer(r.pauses[tried])
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if r.acquire(ctx) {
			defer r.release()
			r.send(ctx, tried+1, letter)
		}
	})
	return true
}

// temporary reports whether a delivery failed for now and not for good.
func temporary(err error) bool {
	return is(err, func(e interface{ Temporary() bool }) bool { return e.Temporary() })
}

// is reports whether an error, or one that it wraps, is of a kind and says so.
func is[T any](err error, says func(T) bool) bool {
	var kind T
	return errors.As(err, &kind) && says(kind)
}
