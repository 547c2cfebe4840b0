package mail_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "s3cr3t canary"

// server is a mail server that requires a password.
type server struct{ got chan string }

func (s server) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{got: s.got}, nil }

type session struct {
	got  chan string
	auth bool
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, given string) error {
		if s.auth = user == "me" && given == password; !s.auth {
			return errors.New("no entry for " + user)
		}
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if !s.auth {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "later") {
		return &smtp.SMTPError{Code: 451, Message: "try " + to + " again"}
	}
	if strings.HasPrefix(to, "refused") {
		return &smtp.SMTPError{Code: 550, Message: to + " is unknown"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.got <- string(data)
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// certificate returns a certificate for 127.0.0.1 and the pool that trusts it.
func certificate() (tls.Certificate, *x509.CertPool) {
	ts := httptest.NewTLSServer(nil)
	defer ts.Close()
	pool := x509.NewCertPool()
	pool.AddCert(ts.Certificate())
	return ts.TLS.Certificates[0], pool
}

// start starts a server: plain, with STARTTLS, or in TLS from the first byte.
func start(t *testing.T, how string, cert tls.Certificate) (port string, got chan string) {
	t.Helper()
	got = make(chan string, 1)
	srv := smtp.NewServer(server{got})
	srv.Domain, srv.AllowInsecureAuth = "localhost", true
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	settings := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch how {
	case "starttls":
		srv.TLSConfig = settings
	case "tls":
		listener = tls.NewListener(listener, settings)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		// Also close the listener: the server may not have begun to serve.
		_, _ = srv.Close(), listener.Close()
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return port, got
}

func TestSend(t *testing.T) {
	t.Parallel()
	cert, trusted := certificate()
	const me, to = "me:s3cr3t%20canary@127.0.0.1", "ann@example.org"
	for name, c := range map[string]struct {
		server, scheme, who, to string
		roots                   *x509.CertPool
		want                    string
	}{
		"STARTTLS":               {"starttls", "smtp", me, to, trusted, ""},
		"TLS":                    {"tls", "smtps", me, to, trusted, ""},
		"wrong password":         {"starttls", "smtp", "me:wrong@127.0.0.1", to, trusted, "connect"},
		"missing password":       {"starttls", "smtp", "127.0.0.1", to, trusted, "502"},
		"refused":                {"starttls", "smtp", me, "refused@example.org", trusted, "550"},
		"later":                  {"starttls", "smtp", me, "later@example.org", trusted, "451"},
		"invalid address":        {"starttls", "smtp", me, "x\r\nBcc: a@b.c", trusted, "address"},
		"unknown authority":      {"starttls", "smtp", me, to, x509.NewCertPool(), "connect"},
		"unknown authority, TLS": {"tls", "smtps", me, to, x509.NewCertPool(), "connect"},
		"no TLS":                 {"plain", "smtps", me, to, trusted, "connect"},
		// A password is never sent without TLS, not even on loopback.
		"no STARTTLS": {"plain", "smtp", me, to, trusted, "connect"},
		// Any other host name requires TLS.
		"no STARTTLS, not on loopback": {"plain", "smtp", "localhost.", to, trusted, "connect"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, got := start(t, c.server, cert)
			s, err := mail.NewWithRoots(mail.Config{URL: env.Secret(c.scheme + "://" + c.who + ":" + port), From: "Us <us@example.org>"}, c.roots)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Send(t.Context(), mail.Message{To: c.to, Subject: "您好", Text: "a text\n.\nto its end"})
			if text := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(text, c.want) || strings.Contains(text, "example.org") || strings.Contains(text, "canary") {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if failed, ok := errors.AsType[*mail.Error](err); ok && failed.Temporary() != (c.want == "451" || c.want == "connect") {
				t.Errorf("%v: Temporary() = %t", err, failed.Temporary())
			}
			if failed, ok := errors.AsType[*mail.Error](err); ok && failed.Recipient() != (c.want == "451" || c.want == "550") {
				t.Errorf("%v: Recipient() = %t", err, failed.Recipient())
			}
			select {
			case data := <-got:
				if c.want != "" || !strings.Contains(data, "us@example.org") || !strings.Contains(data, "to its end") {
					t.Errorf("the server received %s", data)
				}
			default:
				if c.want == "" {
					t.Error("the server received nothing")
				}
			}
		})
	}
}
