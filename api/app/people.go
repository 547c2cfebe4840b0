package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
)

// people opens the accounts and begins to deliver password resets.
func (a *App) people(ctx context.Context, secret []byte) (*account.Accounts, *account.Recovery, error) {
	accounts, err := account.New(ctx, a.broker, a.cfg.Account, secret)
	if err != nil {
		return nil, nil, err
	}
	ways, err := a.deliver()
	if err != nil {
		return nil, nil, err
	}
	recovery := account.NewRecovery(accounts, a.page, ways.reset, a.log, account.WithNotices(ways.notify), account.WithVerifications(ways.verify))
	recovery.Start()
	a.onStop("recovery", recovery.Stop)
	return accounts, recovery, nil
}

// ways are how e-mails reach people; each is nil where there is none.
type ways struct {
	reset, verify account.Deliver
	notify        account.Notify
}

// deliver returns how links of password resets and confirmations reach people: by mail or, for the person who tries the
// program out, on the console; and how they are told of what was done to their account, which is by mail alone. A link on
// the console of a machine that others can reach would be one for whoever reads there.
func (a *App) deliver() (ways, error) {
	if a.cfg.Mail.URL != "" {
		sender, err := mail.New(a.cfg.Mail)
		if err != nil {
			return ways{}, err
		}
		link := func(compose func(link string, lang job.Lang) (subject, text string)) account.Deliver {
			return func(ctx context.Context, to, link string, lang job.Lang) error {
				subject, text := compose(link, lang)
				return sender.Send(ctx, mail.Letter{To: to, Subject: subject, Text: text})
			}
		}
		notify := func(ctx context.Context, to string, about account.Notice, lang job.Lang) error {
			subject, text := account.NoticeLetter(about, lang)
			return sender.Send(ctx, mail.Letter{To: to, Subject: subject, Text: text})
		}
		return ways{
			reset:  a.countedLink(emailReset, link(account.ResetLetter)),
			verify: a.countedLink(emailVerification, link(account.VerificationEmail)),
			notify: a.countedNotice(notify),
		}, nil
	}
	if !a.cfg.forOneself() {
		return ways{}, nil
	}
	console := a.cfg.Console
	if console == nil {
		console = io.Discard
	}
	var mu sync.Mutex // Several may be printed at once.
	link := func(about string) account.Deliver {
		return func(_ context.Context, _, link string, _ job.Lang) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := fmt.Fprintf(console, "%s; no mail server is configured (SMTP_URL), so the link is printed here:\n  %s\n", about, link)
			return err
		}
	}
	return ways{reset: link("Password reset requested"), verify: link("E-mail address of a new account to be confirmed")}, nil
}

// verifies reports whether new accounts have to confirm their address.
func (c *Config) verifies() bool {
	switch c.Account.RequireVerified {
	case "on":
		return true
	case "off":
		return false
	}
	return c.Mail.URL != ""
}

// page returns the address of the page. It is never taken from a request, whose sender could name any.
func (a *App) page() string {
	if urls := a.cfg.Server.FrontendURLs; len(urls) > 0 {
		return strings.TrimRight(urls[0], "/")
	}
	return a.URL()
}

// local reports whether nobody but this machine can reach the API: not even through a proxy, as far as the settings say.
func (c *Config) local() bool {
	if len(c.Server.TrustedProxies) > 0 {
		return false
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false
	}
	return loopback(host)
}

// forOneself reports whether the page, too, is on this machine.
func (c *Config) forOneself() bool {
	return c.local() && !slices.ContainsFunc(c.Server.FrontendURLs, func(raw string) bool {
		u, err := url.Parse(raw)
		return err != nil || !loopback(u.Hostname())
	})
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}
