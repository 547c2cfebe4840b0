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

// refusal is what a mail server says.
type refusal struct{ later bool }

func (r refusal) Error() string   { return "refused" }
func (r refusal) Temporary() bool { return r.later }

// nobody is what a mail server says of a recipient that it does not know.
type nobody struct{ refusal }

func (nobody) Recipient() bool { return true }

// TestAnAddressOfNobodyIsNoFault has recipients refused: a stranger can have that happen.
func TestAnAddressOfNobodyIsNoFault(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	tries := make(chan error)
	r := account.NewMailer(a, nil, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(context.Context, string, account.Notice, job.Lang) error { return <-tries }), account.WithSenders(1))
	r.Start()
	try := func(err error, failing bool) {
		t.Helper()
		r.SendNotice(u, account.NoticePassword, job.English)
		tries <- err
		r.SendNotice(u, account.NoticePassword, job.English) // Another one, whose beginning tells that the first has ended.
		if _, got := r.Delivers(); got && !failing {
			t.Errorf("failing after %v", err)
		}
		tries <- err
	}
	try(nobody{}, false)
	try(nobody{}, false)
	try(nil, false)
	try(nobody{}, false)
	try(nobody{}, false)
	try(nobody{}, true)
	must(t, r.Stop(t.Context()))
	if _, failing := r.Delivers(); !failing {
		t.Error("a server that takes nobody is not failing")
	}
}

// TestLettersAreTriedAgain has a mail server refuse some of the letters, for now or for good.
func TestLettersAreTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []error
		// arrives says whether the letter arrives in the end.
		arrives bool
	}{
		"at once":        {[]error{nil}, true},
		"the third time": {[]error{refusal{true}, refusal{true}, nil}, true},
		"never":          {[]error{refusal{true}, refusal{true}, refusal{true}}, false},
		"for good":       {[]error{refusal{false}}, false},
		"who knows":      {[]error{errors.New("x")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			register(t, a)
			tries, links := make(chan error), map[string]bool{}
			r := account.NewMailer(a, func() string { return "https://page.example" }, func(_ context.Context, to, link string, lang job.Lang) error {
				if to != email || lang != job.Chinese {
					t.Errorf("a letter to %s in %s", to, lang)
				}
				links[link] = true
				return <-tries
			}, slog.New(slog.DiscardHandler), account.WithPauses(time.Millisecond, time.Millisecond))
			r.Start()
			r.SendReset(email, job.Chinese)
			for _, answer := range c.answers {
				tries <- answer
			}
			must(t, r.Stop(t.Context())) // Nothing is tried any more: this would hang.
			if _, failing := r.Delivers(); failing == c.arrives {
				t.Errorf("failing %t", failing)
			}
			if len(links) != 1 {
				t.Errorf("the links differ: %v", links)
			}
		})
	}
}

// TestStoppingWaitsForNobody stops while a letter waits for its second try.
func TestStoppingWaitsForNobody(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	register(t, a)
	tried := make(chan struct{}, 1)
	r := account.NewMailer(a, func() string { return "" }, func(context.Context, string, string, job.Lang) error {
		tried <- struct{}{}
		return refusal{true}
	}, slog.New(slog.DiscardHandler), account.WithPauses(time.Hour))
	r.Start()
	r.SendReset(email, job.English)
	<-tried
	must(t, r.Stop(t.Context()))
}

// TestOwnersAreTold has a password changed.
func TestOwnersAreTold(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	told := make(chan string, 1)
	r := account.NewMailer(a, func() string { return "" }, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(_ context.Context, to string, about account.Notice, lang job.Lang) error {
		told <- to + " " + string(about) + " " + string(lang)
		return nil
	}))
	r.Start()
	r.SendNotice(u, account.NoticePassword, job.Chinese)
	if got := <-told; got != email+" password zh" {
		t.Errorf("told %s", got)
	}
	r.SendNotice(u, account.NoticeGoogle, job.English)
	if got := <-told; got != email+" google en" {
		t.Errorf("told %s", got)
	}
	must(t, r.Stop(t.Context()))
	// Without a way to tell them there is nothing to do.
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
