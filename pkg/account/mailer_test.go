package account_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// smtpError is an error of a mail server.
type smtpError struct{ temporary bool }

func (e smtpError) Error() string   { return "refused" }
func (e smtpError) Temporary() bool { return e.temporary }

// unknownRecipient is the error for an unknown recipient.
type unknownRecipient struct{ smtpError }

func (unknownRecipient) Recipient() bool { return true }

// TestUnknownRecipientsAreNoFailure has recipients refused, which any client of the API can cause.
func TestUnknownRecipientsAreNoFailure(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	tries := make(chan error)
	m := account.NewMailer(a, nil, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(context.Context, string, account.Notice, job.Lang) error { return <-tries }), account.WithSenders(1))
	m.Start()
	try := func(err error, failing bool) {
		t.Helper()
		m.SendNotice(u, account.NoticePassword, job.English)
		tries <- err
		m.SendNotice(u, account.NoticePassword, job.English) // Once the next delivery has begun, the outcome of the first is recorded.
		if _, got := m.Delivers(); got && !failing {
			t.Errorf("failing after %v", err)
		}
		tries <- err
	}
	try(unknownRecipient{}, false)
	try(unknownRecipient{}, false)
	try(nil, false)
	try(unknownRecipient{}, false)
	try(unknownRecipient{}, false)
	try(unknownRecipient{}, true)
	must(t, m.Stop(t.Context()))
	if _, failing := m.Delivers(); !failing {
		t.Error("not failing though the server refuses all recipients")
	}
}

// TestRetries has a mail server fail temporarily or permanently.
func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		results   []error // of the attempts
		delivered bool
	}{
		"first attempt":     {[]error{nil}, true},
		"third attempt":     {[]error{smtpError{true}, smtpError{true}, nil}, true},
		"never":             {[]error{smtpError{true}, smtpError{true}, smtpError{true}}, false},
		"permanent failure": {[]error{smtpError{false}}, false},
		"unknown error":     {[]error{errors.New("x")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			register(t, a)
			tries, links := make(chan error), map[string]bool{}
			m := account.NewMailer(a, func() string { return "https://page.example" }, func(_ context.Context, to, link string, lang job.Lang) error {
				if to != email || lang != job.Chinese {
					t.Errorf("an email to %s in %s", to, lang)
				}
				links[link] = true
				return <-tries
			}, slog.New(slog.DiscardHandler), account.WithPauses(time.Millisecond, time.Millisecond))
			m.Start()
			m.SendReset(email, job.Chinese)
			for _, result := range c.results {
				tries <- result
			}
			must(t, m.Stop(t.Context())) // Would hang if there were another attempt.
			if _, failing := m.Delivers(); failing == c.delivered {
				t.Errorf("failing: %t", failing)
			}
			if len(links) != 1 {
				t.Errorf("the links differ: %v", links)
			}
		})
	}
}

// TestStopDuringRetryDelay stops while an email waits for its retry.
func TestStopDuringRetryDelay(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	register(t, a)
	tried := make(chan struct{}, 1)
	m := account.NewMailer(a, func() string { return "" }, func(context.Context, string, string, job.Lang) error {
		tried <- struct{}{}
		return smtpError{true}
	}, slog.New(slog.DiscardHandler), account.WithPauses(time.Hour))
	m.Start()
	m.SendReset(email, job.English)
	<-tried
	must(t, m.Stop(t.Context()))
}

func TestNotices(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	sent := make(chan string, 1)
	m := account.NewMailer(a, func() string { return "" }, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(_ context.Context, to string, about account.Notice, lang job.Lang) error {
		sent <- to + " " + string(about) + " " + string(lang)
		return nil
	}))
	m.Start()
	m.SendNotice(u, account.NoticePassword, job.Chinese)
	if got := <-sent; got != email+" password zh" {
		t.Errorf("sent %s", got)
	}
	m.SendNotice(u, account.NoticeGoogle, job.English)
	if got := <-sent; got != email+" google en" {
		t.Errorf("sent %s", got)
	}
	must(t, m.Stop(t.Context()))
	// Without WithNotices nothing is sent.
	account.NewMailer(a, nil, nil, nil).SendNotice(u, account.NoticePassword, job.English)
	account.NewMailer(a, nil, nil, nil).SendNotice(u, account.NoticeGoogle, job.English)
	for _, c := range []struct {
		about account.Notice
		lang  job.Lang
		word  string
	}{
		{account.NoticePassword, job.English, "was changed"},
		{account.NoticePassword, job.Chinese, "已修改"},
		{account.NoticeGoogle, job.English, "was linked"},
		{account.NoticeGoogle, job.Chinese, "关联"},
		{account.NoticeGoogle, "fr", "was linked"},
	} {
		if subject, text := account.NoticeEmail(c.about, c.lang); subject == "" || !strings.Contains(text, c.word) {
			t.Errorf("%s in %s: %s, %s", c.about, c.lang, subject, text)
		}
	}
}
