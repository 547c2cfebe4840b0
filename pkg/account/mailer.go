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

// SendLink sends the link of a token to an address, in a language.
type SendLink func(ctx context.Context, to, link string, lang job.Lang) error

// SendNotice tells the owner of an address about a change of the account, in a language.
type SendNotice func(ctx context.Context, to string, about Notice, lang job.Lang) error

const (
	// maxQueued bounds how many e-mails wait to be sent, and how many wait to be retried; more are dropped.
	maxQueued = 256
	// sendTimeout bounds one delivery.
	sendTimeout = 30 * time.Second
	// maxSenders bounds how many e-mails are delivered at once: a server that is slow with one must not delay all others.
	maxSenders = 8
)

// retryDelays are the pauses before further attempts: many servers refuse the first e-mail of an unknown sender for some
// minutes.
var retryDelays = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}

// Mailer makes the tokens of password resets and verifications and has the e-mails with them sent, and notices of changes.
// It works in the background, so that the time of a response does not tell whether an address has an account. A delivery
// that fails temporarily is retried for about 20 minutes. E-mails that wait when the process ends are lost; they can be
// requested again.
type Mailer struct {
	accounts    *Accounts
	baseURL     func() string
	sendReset   SendLink
	sendNotice  SendNotice
	sendVerify  SendLink
	retryDelays []time.Duration
	log         *slog.Logger

	queue   chan request
	retries chan struct{} // One value for each retry that waits.
	senders chan struct{} // One value for each delivery under way.
	stop    context.CancelFunc
	done    sync.WaitGroup
	failed  atomic.Bool
	// refused counts recipients that were refused in a row.
	refused atomic.Int32
}

// request asks for one e-mail: a notice, the link that confirms an address, or else the link of a password reset.
type request struct {
	email  string
	lang   job.Lang
	notice Notice
	verify bool
}

// MailerOption configures a Recovery.
type MailerOption func(*Mailer)

// WithNotices sends notices of changes to the owners of accounts.
func WithNotices(send SendNotice) MailerOption { return func(r *Mailer) { r.sendNotice = send } }

// WithVerifications sends links that confirm addresses.
func WithVerifications(send SendLink) MailerOption { return func(r *Mailer) { r.sendVerify = send } }

// NewMailer returns a Recovery whose links begin with baseURL. Without sendReset it makes no password resets.
func NewMailer(a *Accounts, baseURL func() string, sendReset SendLink, log *slog.Logger, options ...MailerOption) *Mailer {
	r := &Mailer{
		accounts: a, baseURL: baseURL, sendReset: sendReset, retryDelays: retryDelays, log: log,
		queue: make(chan request, maxQueued), retries: make(chan struct{}, maxQueued), senders: make(chan struct{}, maxSenders),
	}
	for _, option := range options {
		option(r)
	}
	return r
}

// Start begins to deliver, until Stop. Tokens are made one after the other in the order of the requests, so that the latest
// link of an account is the valid one; e-mails are sent concurrently.
func (r *Mailer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case next := <-r.queue:
				if !r.acquireSender(ctx) {
					return
				}
				r.handle(ctx, next)
			}
		}
	})
}

// Stop aborts the deliveries that are under way.
func (r *Mailer) Stop(context.Context) error {
	r.stop()
	r.done.Wait()
	return nil
}

// acquireSender waits until another e-mail may be sent. It reports false when ctx ends before.
func (r *Mailer) acquireSender(ctx context.Context) bool {
	select {
	case r.senders <- struct{}{}:
		if ctx.Err() == nil {
			return true
		}
		r.releaseSender()
	case <-ctx.Done():
	}
	return false
}

func (r *Mailer) releaseSender() { <-r.senders }

// SendReset sends the link of a password reset to an address, if that has an account. It never blocks.
func (r *Mailer) SendReset(email string, lang job.Lang) {
	if r.sendReset != nil {
		r.enqueue(request{email: email, lang: lang})
	}
}

// SendPasswordNotice tells the owner of an account that its password was changed. It never blocks.
func (r *Mailer) SendPasswordNotice(u *User, lang job.Lang) {
	if r.sendNotice != nil {
		r.enqueue(request{email: u.Email, lang: lang, notice: NoticePassword})
	}
}

// SendGoogleNotice tells the owner of an account that a Google account was linked to it. It never blocks.
func (r *Mailer) SendGoogleNotice(u *User, lang job.Lang) {
	if r.sendNotice != nil {
		r.enqueue(request{email: u.Email, lang: lang, notice: NoticeGoogle})
	}
}

// SendVerification sends the owner of an account the link that confirms the address. It never blocks.
func (r *Mailer) SendVerification(u *User, lang job.Lang) {
	if r.sendVerify != nil {
		r.enqueue(request{email: u.Email, lang: lang, verify: true})
	}
}

func (r *Mailer) enqueue(next request) {
	select {
	case r.queue <- next:
	default:
		r.log.Error("too many e-mails are waiting to be sent, dropped one")
	}
}

// Delivers reports whether password resets are sent at all, and whether e-mail cannot be delivered at the moment.
func (r *Mailer) Delivers() (delivers, failing bool) { return r.sendReset != nil, r.failed.Load() }

// handle prepares an e-mail and sends it in the background. It takes over the sender that its caller has acquired.
func (r *Mailer) handle(ctx context.Context, next request) {
	send, err := r.prepare(ctx, next)
	if err != nil {
		r.log.ErrorContext(ctx, "cannot create the link of an e-mail", slog.Any("error", err))
	}
	if send == nil {
		r.releaseSender()
		return
	}
	r.done.Go(func() {
		defer r.releaseSender()
		r.send(ctx, 0, send)
	})
}

// prepare makes the token of a request and returns the function that sends the e-mail, nil when there is none to send.
func (r *Mailer) prepare(ctx context.Context, next request) (send func(context.Context) error, err error) {
	if next.notice != "" {
		return func(ctx context.Context) error { return r.sendNotice(ctx, next.email, next.notice, next.lang) }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	begin, path, deliver := r.accounts.BeginReset, "/reset-password", r.sendReset
	if next.verify {
		begin, path, deliver = r.accounts.BeginVerification, "/verify-email", r.sendVerify
	}
	u, token, err := begin(ctx, next.email)
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	link := r.baseURL() + path + "?token=" + url.QueryEscape(token)
	return func(ctx context.Context) error { return deliver(ctx, u.Email, link, next.lang) }, nil
}

// send delivers an e-mail and schedules a retry when that fails temporarily.
func (r *Mailer) send(ctx context.Context, attempt int, deliver func(context.Context) error) {
	bounded, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := deliver(bounded)
	r.recordOutcome(err)
	if err == nil {
		return
	}
	retried := attempt < len(r.retryDelays) && isTemporary(err) && r.retryLater(ctx, attempt, deliver)
	r.log.ErrorContext(ctx, "cannot send e-mail", slog.Any("error", err), slog.Bool("tried_again", retried))
}

// maxRefused is how many recipients in a row may be refused before the server counts as failing: anybody can sign up with an
// address that does not exist, and must not be able to make the health check complain.
const maxRefused = 5

// recordOutcome records how a delivery ended, for the health check.
func (r *Mailer) recordOutcome(err error) {
	var refusal interface{ Recipient() bool }
	switch {
	case err == nil:
		r.refused.Store(0)
		r.failed.Store(false)
	case errors.As(err, &refusal) && refusal.Recipient():
		if r.refused.Add(1) >= maxRefused {
			r.failed.Store(true)
		}
	default:
		r.failed.Store(true)
	}
}

// retryLater sends an e-mail again after a pause. It reports false when too many wait already.
func (r *Mailer) retryLater(ctx context.Context, attempt int, deliver func(context.Context) error) bool {
	select {
	case r.retries <- struct{}{}:
	default:
		return false
	}
	r.done.Go(func() {
		defer func() { <-r.retries }()
		timer := time.NewTimer(r.retryDelays[attempt])
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if r.acquireSender(ctx) {
			defer r.releaseSender()
			r.send(ctx, attempt+1, deliver)
		}
	})
	return true
}

// isTemporary reports whether a delivery may succeed later.
func isTemporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}
