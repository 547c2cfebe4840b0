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
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// SendLink sends an email with the link of a token.
type SendLink func(ctx context.Context, to, link string, lang job.Lang) error

// SendNotice sends an email about a change of an account.
type SendNotice func(ctx context.Context, to string, about Notice, lang job.Lang) error

const (
	// maxQueued bounds how many emails wait to be sent, and how many wait to be retried; more are dropped.
	maxQueued = 256
	// sendTimeout bounds one delivery.
	sendTimeout = 30 * time.Second
	// maxSenders bounds concurrent deliveries: one slow delivery must not delay all others.
	maxSenders = 8
)

// retryDelays are the delays before retries: many servers refuse the first email of an unknown sender for some minutes
// (greylisting).
var retryDelays = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}

// Mailer creates the tokens of password resets and verifications and sends the emails with them, and notices of changes. It
// works in the background, so that the time of a response does not reveal whether an address has an account. A delivery that
// fails temporarily is retried for about 20 minutes. Emails that are queued when the process ends are lost; users can request
// them again.
type Mailer struct {
	accounts    *Accounts
	baseURL     func() string
	sendReset   SendLink
	sendNotice  SendNotice
	sendVerify  SendLink
	retryDelays []time.Duration
	log         *slog.Logger

	queue   chan request
	retries chan struct{} // One value for each pending retry.
	senders chan struct{} // One value for each delivery in progress.
	stop    context.CancelFunc
	done    sync.WaitGroup
	failed  atomic.Bool
	// refused counts consecutive refused recipients.
	refused atomic.Int32
}

// request is a queued email: a notice, a verification, or else a password reset.
type request struct {
	email  string
	lang   job.Lang
	notice Notice
	verify bool
}

// MailerOption configures a Mailer.
type MailerOption func(*Mailer)

// WithNotices enables notices of changes.
func WithNotices(send SendNotice) MailerOption { return func(m *Mailer) { m.sendNotice = send } }

// WithVerifications enables emails with links that confirm addresses.
func WithVerifications(send SendLink) MailerOption { return func(m *Mailer) { m.sendVerify = send } }

// NewMailer returns a Mailer whose links begin with baseURL. If sendReset is nil, it sends no password resets.
func NewMailer(a *Accounts, baseURL func() string, sendReset SendLink, log *slog.Logger, options ...MailerOption) *Mailer {
	m := &Mailer{
		accounts: a, baseURL: baseURL, sendReset: sendReset, retryDelays: retryDelays, log: log,
		queue: make(chan request, maxQueued), retries: make(chan struct{}, maxQueued), senders: make(chan struct{}, maxSenders),
	}
	for _, option := range options {
		option(m)
	}
	return m
}

// Start starts the delivery, until Stop. Tokens are created sequentially in the order of the requests, so that the last link
// of an account is the valid one; emails are sent concurrently.
func (m *Mailer) Start() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case next := <-m.queue:
				if !m.acquireSender(ctx) {
					return
				}
				m.handle(ctx, next)
			}
		}
	})
}

// Stop aborts all deliveries in progress.
func (m *Mailer) Stop(context.Context) error {
	m.stop()
	m.done.Wait()
	return nil
}

// acquireSender waits until another email may be sent. It returns false if ctx ends first.
func (m *Mailer) acquireSender(ctx context.Context) bool {
	select {
	case m.senders <- struct{}{}:
		if ctx.Err() == nil {
			return true
		}
		m.releaseSender()
	case <-ctx.Done():
	}
	return false
}

func (m *Mailer) releaseSender() { <-m.senders }

// SendReset sends the link of a password reset to an address if it has an account. It never blocks.
func (m *Mailer) SendReset(email string, lang job.Lang) {
	if m.sendReset != nil {
		m.enqueue(request{email: email, lang: lang})
	}
}

// SendNotice notifies the owner of an account of a change. It never blocks.
func (m *Mailer) SendNotice(u *User, about Notice, lang job.Lang) {
	if m.sendNotice != nil {
		m.enqueue(request{email: u.Email, lang: lang, notice: about})
	}
}

// SendVerification sends the owner of an account the link that confirms the address. It never blocks.
func (m *Mailer) SendVerification(u *User, lang job.Lang) {
	if m.sendVerify != nil {
		m.enqueue(request{email: u.Email, lang: lang, verify: true})
	}
}

func (m *Mailer) enqueue(next request) {
	select {
	case m.queue <- next:
	default:
		m.log.Error("too many emails are waiting to be sent, dropped one")
	}
}

// Delivers reports whether password resets are enabled, and whether deliveries are failing.
func (m *Mailer) Delivers() (delivers, failing bool) { return m.sendReset != nil, m.failed.Load() }

// handle prepares an email, sends it in the background and releases the sender that its caller has acquired.
func (m *Mailer) handle(ctx context.Context, next request) {
	send, err := m.prepare(ctx, next)
	if err != nil {
		m.log.ErrorContext(ctx, "cannot create the link of an email", slog.Any("error", err))
	}
	if send == nil {
		m.releaseSender()
		return
	}
	m.done.Go(func() {
		defer m.releaseSender()
		m.send(ctx, 0, send)
	})
}

// prepare creates the token of a request and returns the function that sends the email, or nil when there is none to send.
func (m *Mailer) prepare(ctx context.Context, next request) (send func(context.Context) error, err error) {
	if next.notice != "" {
		return func(ctx context.Context) error { return m.sendNotice(ctx, next.email, next.notice, next.lang) }, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	begin, path, deliver := m.accounts.BeginReset, "/reset-password", m.sendReset
	if next.verify {
		begin, path, deliver = m.accounts.BeginVerification, "/verify-email", m.sendVerify
	}
	u, token, err := begin(ctx, next.email)
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	link := m.baseURL() + path + "?token=" + url.QueryEscape(token)
	return func(ctx context.Context) error { return deliver(ctx, u.Email, link, next.lang) }, nil
}

// send delivers an email and schedules a retry on a temporary failure.
func (m *Mailer) send(ctx context.Context, attempt int, deliver func(context.Context) error) {
	bounded, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err := deliver(bounded)
	m.recordOutcome(err)
	if err == nil {
		return
	}
	retried := attempt < len(m.retryDelays) && isTemporary(err) && m.retryLater(ctx, attempt, deliver)
	m.log.ErrorContext(ctx, "cannot send email", slog.Any("error", err), slog.Bool("tried_again", retried))
}

// maxRefused is how many consecutive recipients may be refused before delivery counts as failing: a sign-up with an address
// that does not exist must not affect the health check.
const maxRefused = 5

// recordOutcome records the outcome of a delivery for the health check.
func (m *Mailer) recordOutcome(err error) {
	var refusal interface{ Recipient() bool }
	switch {
	case err == nil:
		m.refused.Store(0)
		m.failed.Store(false)
	case errors.As(err, &refusal) && refusal.Recipient():
		if m.refused.Add(1) >= maxRefused {
			m.failed.Store(true)
		}
	default:
		m.failed.Store(true)
	}
}

// retryLater schedules a retry. It returns false when too many are pending.
func (m *Mailer) retryLater(ctx context.Context, attempt int, deliver func(context.Context) error) bool {
	select {
	case m.retries <- struct{}{}:
	default:
		return false
	}
	m.done.Go(func() {
		defer func() { <-m.retries }()
		if lifecycle.Sleep(ctx, m.retryDelays[attempt]) && m.acquireSender(ctx) {
			defer m.releaseSender()
			m.send(ctx, attempt+1, deliver)
		}
	})
	return true
}

// isTemporary reports whether a delivery may succeed later.
func isTemporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}
