// Package mail sends email over SMTP. Its errors contain neither an address nor a response of the server, which may quote one.
package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// Config holds the settings of mail.
type Config struct {
	URL  env.Secret `env:"SMTP_URL" doc:"Mail server: smtps://user:password@host:465, or smtp://user:password@host:587, which must offer STARTTLS unless it is on loopback. No email is sent if empty."`
	From string     `env:"MAIL_FROM" doc:"Sender of emails, such as Text2Image Audio <noreply@example.org>; required with SMTP_URL."`
	Mode string     `env:"MAIL" envDefault:"auto" doc:"auto sends email if SMTP_URL is set; required also makes the health check report degraded while it is not. A path, which login shells set this variable to, counts as auto."`
}

// Required reports whether the health check is degraded while no mail server is configured.
func (c *Config) Required() bool { return c.Mode == "required" }

// Validate reports every fault at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	// Login shells set MAIL to the path of the user's mailbox.
	if c.Mode != "" && c.Mode != "auto" && c.Mode != "required" && !strings.Contains(c.Mode, "/") {
		errs = append(errs, &env.Fault{Name: "MAIL", Expected: "auto or required"})
	}
	if c.URL == "" {
		return errors.Join(errs...)
	}
	if _, err := c.server(); err != nil {
		errs = append(errs, err)
	}
	if _, err := mail.ParseAddress(c.From); err != nil {
		errs = append(errs, &env.Fault{Name: "MAIL_FROM", Expected: "an address such as Text2Image Audio <noreply@example.org>, since SMTP_URL is set"})
	}
	return errors.Join(errs...)
}

// server parses SMTP_URL.
func (c *Config) server() (*url.URL, error) {
	u, err := url.Parse(c.URL.Reveal())
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") || (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return nil, &env.Fault{Name: "SMTP_URL", Expected: "an address such as smtps://user:password@mail.example.org:465"}
	}
	return u, nil
}

// Message is an email.
type Message struct{ To, Subject, Text string }

// Sender sends email. It is safe for concurrent use.
type Sender struct {
	host    string
	options []gomail.Option
	from    string
}

// sendTimeout bounds each SMTP command.
const sendTimeout = 20 * time.Second

// New returns a Sender, or an error when cfg is invalid. It does not connect.
func New(cfg Config) (*Sender, error) { return newSender(cfg, nil) }

// newSender is New with trusted certificate authorities; nil means those of the system.
func newSender(cfg Config, roots *x509.CertPool) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := cfg.server()
	if err != nil {
		return nil, err
	}
	host, policy, port := u.Hostname(), gomail.TLSMandatory, "587"
	s := &Sender{host: host, from: cfg.From}
	s.options = []gomail.Option{
		gomail.WithTimeout(sendTimeout),
		gomail.WithTLSConfig(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: roots}),
	}
	if u.Scheme == "smtps" {
		port = "465"
		s.options = append(s.options, gomail.WithSSL())
	} else if hostname.IsLoopback(host) {
		policy = gomail.TLSOpportunistic
	}
	number, _ := strconv.Atoi(cmp.Or(u.Port(), port)) // NewClient rejects an invalid number.
	s.options = append(s.options, gomail.WithTLSPolicy(policy), gomail.WithPort(number))
	if u.User != nil {
		password, _ := u.User.Password()
		s.options = append(s.options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(u.User.Username()), gomail.WithPassword(password))
	}
	if _, err := gomail.NewClient(host, s.options...); err != nil {
		return nil, &env.Fault{Name: "SMTP_URL", Expected: "an address such as smtps://user:password@mail.example.org:465"}
	}
	return s, nil
}

// Error describes why an email could not be sent. It contains no address.
type Error struct {
	// Step is the step that failed: address, settings, connect, or an SMTP command.
	Step string
	// Code is the response code of the server, 0 when there was none.
	Code int
}

// stepConnect includes the login.
const stepConnect = "connect"

// Error returns the step and the code.
func (e *Error) Error() string {
	if e.Code == 0 {
		return "send mail: " + e.Step
	}
	return fmt.Sprintf("send mail: %s, the server responded with %d", e.Step, e.Code)
}

// Temporary reports whether a retry may succeed: the server could not be reached or returned a 4xx code.
func (e *Error) Temporary() bool {
	return e.Step == stepConnect || (e.Code >= 400 && e.Code < 500)
}

// Recipient reports whether the server refused the recipient. The configuration may be correct then.
func (e *Error) Recipient() bool { return e.Step == gomail.ErrSMTPRcptTo.String() }

// Send sends an email over a new connection. It returns an *Error.
func (s *Sender) Send(ctx context.Context, message Message) error {
	m := gomail.NewMsg()
	if err := errors.Join(m.From(s.from), m.To(message.To)); err != nil {
		return &Error{Step: "address"}
	}
	m.Subject(message.Subject)
	m.SetDate()
	m.SetMessageID()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetBodyString(gomail.TypeTextPlain, message.Text)
	client, err := gomail.NewClient(s.host, s.options...)
	if err != nil {
		return &Error{Step: "settings"}
	}
	err = client.DialAndSendWithContext(ctx, m)
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*gomail.SendError](err); ok {
		return &Error{Step: refused.Reason.String(), Code: refused.ErrorCode()}
	}
	return &Error{Step: stepConnect}
}
