package app_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
)

// mailServer is an SMTP server that records the emails it receives.
type mailServer struct {
	url    string
	emails chan email
	// refuse makes the server reject every email after RCPT TO.
	mu     sync.Mutex
	refuse bool
}

type email struct{ from, to, data string }

// NewSession is part of smtp.Backend.
func (l *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &smtpSession{server: l}, nil
}

type smtpSession struct {
	server *mailServer
	email
}

func (d *smtpSession) Mail(from string, _ *smtp.MailOptions) error { d.from = from; return nil }

func (d *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.to = to
	return nil
}

func (d *smtpSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	d.data = string(data)
	d.server.mu.Lock()
	refuse := d.server.refuse
	d.server.mu.Unlock()
	if refuse {
		return &smtp.SMTPError{Code: 554, Message: "no such user: " + d.to}
	}
	d.server.emails <- d.email
	return err
}

func (d *smtpSession) Reset()        {}
func (d *smtpSession) Logout() error { return nil }

// startMailServer runs a mail server until the test ends.
func startMailServer(t *testing.T) *mailServer {
	t.Helper()
	box := &mailServer{emails: make(chan email, 10)}
	srv := smtp.NewServer(box)
	srv.Domain, srv.AllowInsecureAuth = "localhost", true
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box.url = "smtp://" + listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		// Close the listener too, because the server may not serve yet.
		_, _ = srv.Close(), listener.Close()
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return box
}

// signUp creates an account and returns its Authorization header.
func (i *instance) signUp(t testing.TB, email, password string) string {
	t.Helper()
	resp := i.Do(t, http.MethodPost, "/api/auth/register", fields{"username": "Ann", "email": email, "password": password})
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("register: %d %s", resp.StatusCode, resp.Data)
	}
	var s struct{ Token string }
	resp.Decode(t, &s)
	return "Authorization: Bearer " + s.Token
}

var resetLink = regexp.MustCompile(`http://\S+/reset-password\?token=(\S+)`)

// reset sets a new password with the link in text.
func (i *instance) reset(t *testing.T, text, password string) {
	t.Helper()
	m := resetLink.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no link in %s", text)
	}
	if resp := i.Do(t, http.MethodPost, "/api/auth/reset-password", fields{"token": m[1], "newPassword": password}); resp.StatusCode != http.StatusOK {
		t.Fatalf("reset: %d %s", resp.StatusCode, resp.Data)
	}
	if resp := i.Do(t, http.MethodPost, "/api/auth/login", fields{"email": "ann@example.org", "password": password}); resp.StatusCode != http.StatusOK {
		t.Fatalf("login: %d %s", resp.StatusCode, resp.Data)
	}
}

func TestResetEmails(t *testing.T) {
	t.Parallel()
	box := startMailServer(t)
	log := &textLog{written: make(chan struct{}, 1)}
	cfg := apptest.Config(t, t.TempDir(), "SMTP_URL="+box.url, "MAIL_FROM=Text2Image Audio <noreply@example.org>", "PBKDF2_ITERATIONS=1")
	accounttest.AllowWeakHashes(t)
	a, err := app.New(cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := &instance{&apptest.Process{App: a, Client: &http.Client{Transport: &http.Transport{}}}}
	t.Cleanup(func() { i.Close(t) })
	i.signUp(t, "ann@example.org", "correct horse")
	if first := <-box.emails; first.to != "ann@example.org" || !strings.Contains(first.data, "/verify-email?token=") {
		t.Errorf("the first e-mail: %+v", first)
	}
	for _, c := range []struct{ lang, subject, word string }{{"en", "Set a new password", "did not ask for it"}, {"zh-CN", "设置新密码", "您好"}} {
		i.Do(t, http.MethodPost, "/api/auth/forgot-password", fields{"email": "Ann@example.org"}, "Accept-Language: "+c.lang)
		got := <-box.emails
		m, err := mail.ReadMessage(strings.NewReader(got.data))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		if got.from != "noreply@example.org" || got.to != "ann@example.org" || subject != c.subject || !strings.Contains(string(body), c.word) ||
			m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Message-Id") == "" || m.Header.Get("Date") == "" {
			t.Errorf("email %+v, subject %s, text %s", got, subject, body)
		}
		if !strings.Contains(string(body), i.URL()+"/reset-password?token=") {
			t.Errorf("wrong link: %s", body)
		}
		i.reset(t, string(body), "password in "+c.lang)
		changed := <-box.emails
		if changed.to != "ann@example.org" || strings.Contains(changed.data, "token=") {
			t.Errorf("notice of the new password: %+v", changed)
		}
	}
	box.mu.Lock()
	box.refuse = true
	box.mu.Unlock()
	i.Do(t, http.MethodPost, "/api/auth/forgot-password", fields{"email": "ann@example.org"})
	timeout := time.NewTimer(hang)
	defer timeout.Stop()
	for !strings.Contains(log.String(), "cannot send email") {
		select {
		case <-log.written:
		case <-timeout.C:
			t.Fatal("the failure is not logged")
		}
	}
	if strings.Contains(log.String(), "ann@") || strings.Contains(log.String(), "no such user") {
		t.Errorf("the email address is in the log: %s", log)
	}
	if resp := i.Do(t, http.MethodGet, "/internal/health", nil); resp.StatusCode != http.StatusServiceUnavailable || !bytes.Contains(resp.Data, []byte("mail_failing")) {
		t.Errorf("health: %d %s", resp.StatusCode, resp.Data)
	}
}

// textLog is a concurrently written text.
type textLog struct {
	mu sync.Mutex
	b  bytes.Buffer
	// written receives a value after a write.
	written chan struct{}
}

func (l *textLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.notify()
	return l.b.Write(p)
}

func (l *textLog) notify() {
	select {
	case l.written <- struct{}{}:
	default: // There is no reader, or it has a pending value.
	}
}

func (l *textLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestResetLinkOnConsole(t *testing.T) {
	t.Parallel()
	console := &textLog{written: make(chan struct{}, 1)}
	cfg := apptest.Config(t, t.TempDir(), "PBKDF2_ITERATIONS=1")
	accounttest.AllowWeakHashes(t)
	cfg.Console = console
	i := start(t, cfg)
	i.signUp(t, "ann@example.org", "correct horse")
	i.Do(t, http.MethodPost, "/api/auth/forgot-password", fields{"email": "nobody@example.org"})
	i.Do(t, http.MethodPost, "/api/auth/forgot-password", fields{"email": "ann@example.org"})
	<-console.written
	if strings.Count(console.String(), "/reset-password?token=") != 1 || strings.Contains(console.String(), "ann@") {
		t.Errorf("console: %s", console)
	}
	i.reset(t, console.String(), "another one")
}

// TestAccountsMatchContract sends valid and invalid requests to every account route. Do checks the responses.
func TestAccountsMatchContract(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "PBKDF2_ITERATIONS=1", "FRONTEND_URL=https://page.example")
	accounttest.AllowWeakHashes(t)
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	job := i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "hers"}}, signed)
	for _, ask := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
	}{
		{"POST", "/api/auth/register", fields{"username": "A", "email": "ann@example.org", "password": "correct horse"}, nil, 400},
		{"POST", "/api/auth/register", fields{}, nil, 400},
		{"POST", "/api/auth/login", fields{"email": "ann@example.org", "password": "correct horse"}, nil, 200},
		{"POST", "/api/auth/login", fields{"email": "ann@example.org", "password": "wrong"}, nil, 401},
		{"POST", "/api/auth/login", []byte("{"), nil, 400},
		{"POST", "/api/auth/login", fields{}, []string{"Origin: https://evil.example"}, 403},
		{"POST", "/api/auth/login", fields{}, []string{"Origin: https://page.example"}, 401},
		{"GET", "/api/auth/validate", nil, []string{signed}, 200},
		{"GET", "/api/auth/validate", nil, nil, 401},
		{"GET", "/api/auth/validate", nil, []string{signed + "x"}, 401},
		{"POST", "/api/auth/forgot-password", fields{"email": "ann@example.org"}, nil, 200},
		{"POST", "/api/auth/forgot-password", fields{"email": "x"}, nil, 400},
		{"POST", "/api/auth/reset-password", fields{"token": "x", "newPassword": "correct horse"}, nil, 400},
		{"POST", "/api/auth/profile", fields{"username": "Anna"}, []string{signed}, 200},
		{"POST", "/api/auth/profile", fields{"username": ""}, []string{signed}, 400},
		{"POST", "/api/auth/profile", fields{"username": "Anna"}, nil, 401},
		{"POST", "/api/auth/change-password", fields{"currentPassword": "wrong", "newPassword": "correct horse"}, []string{signed}, 400},
		{"POST", "/api/auth/delete-account", fields{"password": "wrong"}, []string{signed}, 400},
		{"GET", "/reset-password?token=x", nil, nil, 200},
		{"GET", "/api/jobs", nil, []string{signed}, 200},
		{"GET", "/api/jobs/" + job.ID, nil, []string{signed}, 200},
		{"GET", "/api/jobs/" + job.ID, nil, nil, 404},
		{"GET", "/api/jobs/" + job.ID, nil, []string{signed + "x"}, 401},
		{"GET", "/api/jobs", nil, []string{signed + "x"}, 401},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "x"}}, []string{signed + "x"}, 401},
		{"POST", "/api/translate", fields{"text": "x"}, []string{signed, "Prefer: respond-async"}, 202},
		{"POST", "/api/translate", fields{"text": "x"}, []string{signed + "x"}, 401},
		{"POST", "/api/optimize", fields{"text": "x"}, []string{signed + "x"}, 401},
		{"POST", "/api/generate", fields{"text": "x", "type": "image"}, []string{signed + "x"}, 401},
		{"POST", "/api/auth/change-password", fields{"currentPassword": "correct horse", "newPassword": "another one"}, []string{signed}, 200},
		{"POST", "/api/auth/delete-account", fields{"password": "another one"}, []string{signed}, 401},
		{"POST", "/api/auth/logout", nil, nil, 200},
		{"POST", "/api/auth/logout", fields{"everywhere": 7}, nil, 400},
		{"POST", "/api/auth/logout", []byte("everywhere=1"), []string{"Content-Type: text/plain"}, 415},
	} {
		if resp := i.Do(t, ask.method, ask.path, ask.body, ask.headers...); resp.StatusCode != ask.status {
			t.Errorf("%s %s %v: status %d, want %d: %.300s", ask.method, ask.path, ask.body, resp.StatusCode, ask.status, resp.Data)
		}
	}
	resp := i.Do(t, http.MethodPost, "/api/auth/login", fields{"email": "ann@example.org", "password": "another one"})
	var s struct{ Token string }
	resp.Decode(t, &s)
	if resp := i.Do(t, http.MethodPost, "/api/auth/delete-account", fields{"password": "another one"}, "Authorization: Bearer "+s.Token); resp.StatusCode != http.StatusOK {
		t.Errorf("delete: %d %s", resp.StatusCode, resp.Data)
	}
}

// TestSavedImagesMatchContract saves the image of a job and sends valid and invalid requests to every route.
func TestSavedImagesMatchContract(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "PBKDF2_ITERATIONS=1")
	accounttest.AllowWeakHashes(t)
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	var job apptest.Job
	i.Do(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "a", "width": 64, "height": 64, "n": 2, "optimize": true}}, signed, "Prefer: wait=60").Decode(t, &job)
	if job.Result == nil || len(job.Result.Media) != 2 {
		t.Fatalf("the job: %+v", job)
	}
	made := i.Do(t, http.MethodGet, job.Result.Media[1].URL, nil, signed)
	var saved struct{ ID string }
	i.Do(t, http.MethodPost, "/api/images/save", fields{"job_id": job.ID, "index": 1}, signed).Decode(t, &saved)
	file := i.Do(t, http.MethodGet, "/api/images/download/"+saved.ID, nil, signed)
	if made.StatusCode != http.StatusOK || !bytes.Equal(made.Data, file.Data) {
		t.Errorf("the job returned %d bytes, the gallery %d: %.300s", len(made.Data), len(file.Data), file.Data)
	}
	for _, ask := range []struct {
		method, path string
		body         any
		headers      []string
		status       int
	}{
		{"POST", "/api/images/save", fields{"prompt": "a", "data": made.Data}, []string{signed}, 201},
		{"POST", "/api/images/save", fields{"prompt": "a", "data": "x"}, []string{signed}, 400},
		{"POST", "/api/images/save", fields{"job_id": "x"}, []string{signed}, 404},
		{"POST", "/api/images/save", fields{"job_id": job.ID, "index": 7}, []string{signed}, 404},
		{"POST", "/api/images/save", bytes.Repeat([]byte("x"), 17<<20), []string{signed}, 413},
		{"POST", "/api/images/save", bytes.Repeat([]byte("x"), 5<<20), []string{signed}, 400},
		{"POST", "/api/images/save", fields{}, nil, 401},
		{"POST", "/api/images/save", fields{}, []string{signed, "Sec-Fetch-Site: cross-site"}, 403},
		{"GET", "/api/images/daily", nil, []string{signed}, 200},
		{"GET", "/api/images/daily", nil, nil, 401},
		{"GET", "/api/images/stats", nil, []string{signed}, 200},
		{"GET", "/api/images/stats", nil, []string{signed + "x"}, 401},
		{"GET", "/api/images/" + saved.ID, nil, []string{signed}, 200},
		{"GET", "/api/images/none", nil, []string{signed}, 404},
		{"GET", "/api/images/download/" + saved.ID, nil, []string{signed, "Range: bytes=0-9"}, 206},
		{"GET", "/api/images/download/" + saved.ID, nil, []string{signed, "Range: bytes=99999999-"}, 416},
		{"GET", "/api/images/download/" + saved.ID, nil, []string{signed, "If-None-Match: " + file.Header.Get("ETag")}, 304},
		{"GET", "/api/images/download/none", nil, []string{signed}, 404},
		{"DELETE", "/api/images/" + saved.ID, nil, nil, 401},
		{"DELETE", "/api/images/" + saved.ID, nil, []string{signed}, 200},
		{"DELETE", "/api/images/" + saved.ID, nil, []string{signed}, 400},
	} {
		if resp := i.Do(t, ask.method, ask.path, ask.body, ask.headers...); resp.StatusCode != ask.status {
			t.Errorf("%s %s: status %d, want %d: %.300s", ask.method, ask.path, resp.StatusCode, ask.status, resp.Data)
		}
	}
}
