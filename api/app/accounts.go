package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
)

// openAccounts opens the accounts and starts their mailer.
func (a *App) openAccounts(ctx context.Context, secret []byte) (*account.Accounts, *account.Mailer, error) {
	accounts, err := account.New(ctx, a.broker, a.cfg.Account, secret)
	if err != nil {
		return nil, nil, err
	}
	emails, err := a.emailSenders()
	if err != nil {
		return nil, nil, err
	}
	mailer := account.NewMailer(accounts, a.pageURL, emails.reset, a.log, account.WithNotices(emails.notice), account.WithVerifications(emails.verification))
	mailer.Start()
	a.onStop("recovery", mailer.Stop)
	return accounts, mailer, nil
}

// emailSenders sends the emails of accounts. A nil field sends nothing.
type emailSenders struct {
	reset, verification account.SendLink
	notice              account.SendNotice
}

// emailSenders returns the senders of links and notices. Without a mail server, links are printed on the console if the
// page is served on this machine only, for trying the program out. They are never printed on a server that others can reach:
// everyone who reads its output could use them.
func (a *App) emailSenders() (emailSenders, error) {
	if a.cfg.Mail.URL != "" {
		sender, err := mail.New(a.cfg.Mail)
		if err != nil {
			return emailSenders{}, err
		}
		link := func(compose func(link string, lang job.Lang) (subject, text string)) account.SendLink {
			return func(ctx context.Context, to, link string, lang job.Lang) error {
				subject, text := compose(link, lang)
				return sender.Send(ctx, mail.Message{To: to, Subject: subject, Text: text})
			}
		}
		notice := func(ctx context.Context, to string, about account.Notice, lang job.Lang) error {
			subject, text := account.NoticeEmail(about, lang)
			return sender.Send(ctx, mail.Message{To: to, Subject: subject, Text: text})
		}
		return emailSenders{
			reset:        a.countedLink(emailReset, link(account.ResetEmail)),
			verification: a.countedLink(emailVerification, link(account.VerificationEmail)),
			notice:       a.countedNotice(notice),
		}, nil
	}
	if !a.cfg.localPage() {
		return emailSenders{}, nil
	}
	console := a.cfg.Console
	if console == nil {
		console = io.Discard
	}
	var mu sync.Mutex // Emails are sent concurrently.
	link := func(about string) account.SendLink {
		return func(_ context.Context, _, link string, _ job.Lang) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := fmt.Fprintf(console, "%s; no mail server is configured (SMTP_URL), so the link is printed here:\n  %s\n", about, link)
			return err
		}
	}
	return emailSenders{reset: link("Password reset requested"), verification: link("E-mail address of a new account to be confirmed")}, nil
}

// verifies reports whether new accounts must confirm their email address.
func (c *Config) verifies() bool {
	switch c.Account.RequireVerified {
	case "on":
		return true
	case "off":
		return false
	}
	return c.Mail.URL != ""
}

// pageURL returns the URL of the page. It is never taken from a request, whose sender could choose it.
func (a *App) pageURL() string {
	if urls := a.cfg.Server.FrontendURLs; len(urls) > 0 {
		return strings.TrimRight(urls[0], "/")
	}
	return a.URL()
}

// local reports whether the API listens on loopback only and is not behind a proxy.
func (c *Config) local() bool {
	if len(c.Server.TrustedProxies) > 0 {
		return false
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	return hostname.IsLoopback(host)
}

// localPage reports whether both the API and the page are on this machine only.
func (c *Config) localPage() bool {
	return c.local() && !slices.ContainsFunc(c.Server.FrontendURLs, func(raw string) bool {
		u, err := url.Parse(raw)
		return err != nil || !hostname.IsLoopback(u.Hostname())
	})
}
