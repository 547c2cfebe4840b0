package account_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
)

// slowMail is an SMTP server that delays its response to every email until release is closed.
type slowMail struct {
	listener net.Listener
	release  chan struct{}
	// waiting receives the recipient of each delayed email.
	waiting chan string
	done    sync.WaitGroup
}

func newSlowMail(t *testing.T) *slowMail {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s := &slowMail{listener: listener, release: make(chan struct{}), waiting: make(chan string, 1000)}
	s.done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.done.Wait()
	})
	return s
}

// serve implements the SMTP commands that a client needs to send emails.
func (s *slowMail) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reply := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
	reply("220 slow")
	var to string
	inData := false
	for line := range lines(conn) {
		switch command := strings.ToUpper(line); {
		case inData && line == ".":
			inData = false
			s.waiting <- to
			<-s.release
			reply("250 OK")
		case inData:
		case strings.HasPrefix(command, "EHLO"), strings.HasPrefix(command, "HELO"):
			reply("250 slow")
		case strings.HasPrefix(command, "RCPT TO:"):
			to = strings.Trim(line[len("RCPT TO:"):], "<> ")
			reply("250 OK")
		case command == "DATA":
			inData = true
			reply("354 go ahead")
		case command == "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 OK")
		}
	}
}

// lines yields the received lines.
func lines(conn net.Conn) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var rest []byte
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			rest = append(rest, buf[:n]...)
			for {
				line, after, found := strings.Cut(string(rest), "\r\n")
				if !found {
					break
				}
				rest = []byte(after)
				if !yield(line) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// TestSlowMailServer requests many resets while the mail server is slow: MaxSenders emails reach it before it responds to the
// first.
func TestSlowMailServer(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	server := newSlowMail(t)
	sender, err := mail.New(mail.Config{URL: env.Secret("smtp://" + server.listener.Addr().String()), From: "us@example.org"})
	must(t, err)
	m := account.NewMailer(a, func() string { return "" }, func(ctx context.Context, to, link string, _ job.Lang) error {
		return sender.Send(ctx, mail.Message{To: to, Subject: "s", Text: link})
	}, slog.New(slog.DiscardHandler))
	m.Start()
	const requests = account.MaxSenders + 3
	for n := range requests {
		address := fmt.Sprintf("ann%d@example.org", n)
		_, err := a.Register(t.Context(), "Ann", address, password)
		must(t, err)
		m.SendReset(address, job.English)
	}
	got := map[string]bool{}
	next := func() {
		t.Helper()
		select {
		case to := <-server.waiting:
			got[to] = true
		case <-time.After(time.Minute):
			t.Fatalf("only %d emails reached the server", len(got))
		}
	}
	for range account.MaxSenders {
		next()
	}
	// No further email is sent until one of these has ended.
	select {
	case to := <-server.waiting:
		t.Errorf("more than MaxSenders concurrent emails, one to %s", to)
	case <-time.After(20 * time.Millisecond):
	}
	close(server.release)
	for len(got) < requests {
		next()
	}
	must(t, m.Stop(t.Context()))
	if _, failing := m.Delivers(); failing {
		t.Error("failing")
	}
}

// TestStopAbortsDeliveries stops while every sender waits for a mail server that does not respond.
func TestStopAbortsDeliveries(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	var begun sync.WaitGroup
	begun.Add(account.MaxSenders)
	m := account.NewMailer(a, nil, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(ctx context.Context, _ string, _ account.Notice, _ job.Lang) error {
		begun.Done()
		<-ctx.Done()
		return ctx.Err()
	}))
	m.Start()
	for range account.MaxSenders {
		m.SendNotice(u, account.NoticePassword, job.English)
	}
	begun.Wait()
	m.SendNotice(u, account.NoticePassword, job.English) // There is no free sender for this one.
	must(t, m.Stop(t.Context()))
}
