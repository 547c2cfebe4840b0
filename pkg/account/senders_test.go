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

// slowMail is an SMTP server that holds back its answer to every e-mail until release is closed.
type slowMail struct {
	listener net.Listener
	release  chan struct{}
	// waiting gets the recipient of each e-mail that is held.
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

// serve speaks as much SMTP as a client needs to hand over e-mails.
func (s *slowMail) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	say := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 slow")
	var to string
	inData := false
	for line := range lines(conn) {
		switch command := strings.ToUpper(line); {
		case inData && line == ".":
			inData = false
			s.waiting <- to
			<-s.release
			say("250 taken")
		case inData:
		case strings.HasPrefix(command, "EHLO"), strings.HasPrefix(command, "HELO"):
			say("250 slow")
		case strings.HasPrefix(command, "RCPT TO:"):
			to = strings.Trim(line[len("RCPT TO:"):], "<> ")
			say("250 yes")
		case command == "DATA":
			inData = true
			say("354 go on")
		case command == "QUIT":
			say("221 bye")
			return
		default:
			say("250 yes")
		}
	}
}

// lines yields what comes in, line by line.
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

// TestASlowMailServerDelaysNobodyElse asks for many resets while the mail server is slow: as many as there are senders
// reach it before it has answered the first.
func TestASlowMailServerDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	server := newSlowMail(t)
	sender, err := mail.New(mail.Config{URL: env.Secret("smtp://" + server.listener.Addr().String()), From: "us@example.org"})
	must(t, err)
	r := account.NewMailer(a, func() string { return "" }, func(ctx context.Context, to, link string, _ job.Lang) error {
		return sender.Send(ctx, mail.Message{To: to, Subject: "s", Text: link})
	}, slog.New(slog.DiscardHandler))
	r.Start()
	const asked = account.MaxSenders + 3
	for n := range asked {
		address := fmt.Sprintf("ann%d@example.org", n)
		_, err := a.Register(t.Context(), "Ann", address, password)
		must(t, err)
		r.SendReset(address, job.English)
	}
	got := map[string]bool{}
	next := func() {
		t.Helper()
		select {
		case to := <-server.waiting:
			got[to] = true
		case <-time.After(time.Minute):
			t.Fatalf("only %d e-mails reach the server", len(got))
		}
	}
	for range account.MaxSenders {
		next()
	}
	// There are no more senders than that.
	select {
	case to := <-server.waiting:
		t.Errorf("one e-mail too many at once, to %s", to)
	case <-time.After(20 * time.Millisecond):
	}
	close(server.release)
	for len(got) < asked {
		next()
	}
	must(t, r.Stop(t.Context()))
	if _, failing := r.Delivers(); failing {
		t.Error("failing")
	}
}

// TestStopBreaksOffSlowEMails stops while every sender waits for a mail server that never answers.
func TestStopBreaksOffSlowEMails(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	var begun sync.WaitGroup
	begun.Add(account.MaxSenders)
	r := account.NewMailer(a, nil, nil, slog.New(slog.DiscardHandler), account.WithNotices(func(ctx context.Context, _ string, _ account.Notice, _ job.Lang) error {
		begun.Done()
		<-ctx.Done()
		return ctx.Err()
	}))
	r.Start()
	for range account.MaxSenders {
		r.SendNotice(u, account.NoticePassword, job.English)
	}
	begun.Wait()
	r.SendNotice(u, account.NoticePassword, job.English) // This one finds no sender.
	must(t, r.Stop(t.Context()))
}
