package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// withVerification has addresses confirmed; the links end up in the returned channel.
func withVerification(t testing.TB) (chan string, func(*server.Config, *server.Deps)) {
	t.Helper()
	links := make(chan string, 100)
	return links, func(_ *server.Config, deps *server.Deps) {
		deps.VerifyEmail = true
		deps.Recovery = account.NewMailer(deps.Accounts, func() string { return "https://page.example" }, nil, deps.Log,
			account.WithVerifications(func(_ context.Context, to, link string, lang job.Lang) error {
				links <- to + " " + string(lang) + " " + link
				return nil
			}))
		deps.Recovery.Start()
		t.Cleanup(func() { must(t, deps.Recovery.Stop(context.Background())) })
	}
}

// verification takes the token out of the next email to Ann.
func verificationToken(t testing.TB, links chan string, lang string) string {
	t.Helper()
	token, found := strings.CutPrefix(<-links, annEmail+" "+lang+" https://page.example/verify-email?token=")
	if !found {
		t.Fatal("another e-mail than was expected")
	}
	return token
}

// TestUnverifiedMember has somebody sign up where addresses are confirmed, and try everything before and after.
func TestUnverifiedMember(t *testing.T) {
	t.Parallel()
	links, verifying := withVerification(t)
	b := setup(t, verifying)
	var s struct {
		Token, Message string
		User           struct{ EmailVerified *bool }
	}
	resp := b.auth(t, "register", fields{"username": "Ann", "email": annEmail, "password": annPassword}, header("Accept-Language", "zh")).expect(t, http.StatusCreated)
	resp.decode(t, &s)
	if s.User.EmailVerified == nil || *s.User.EmailVerified || !strings.Contains(s.Message, "验证") {
		t.Errorf("signed up: %s", resp.body)
	}
	ann := bearer(s.Token)
	first := verificationToken(t, links, "zh")
	submit := map[string]any{
		"/api/jobs": goodBody, "/api/generate": fields{"text": "a", "type": "image"}, "/api/pollinations/image": fields{"prompt": "a"},
		"/api/prompts/optimize": fields{"text": "a"}, "/api/optimize": fields{"text": "a"}, "/api/translate": fields{"text": "a"},
		"/api/images/save": saveBody(jpegImage(t, 64)),
	}
	for path, body := range submit {
		resp := b.request(t, http.MethodPost, path, body, ann, header("Prefer", "respond-async"), header("Idempotency-Key", "k")).expect(t, http.StatusForbidden)
		var f problemBody
		if resp.decode(t, &f); f.Code != "email_not_verified" || !strings.Contains(f.Error, "resend-verification") {
			t.Errorf("%s: %s", path, resp.body)
		}
	}
	if queued, err := b.queue.OwnerIDs(t.Context(), "*"); err != nil || len(queued) > 0 {
		t.Errorf("jobs were made: %v %v", queued, err)
	}
	for _, path := range []string{"/api/jobs", "/api/quota", "/api/auth/validate", "/api/images/daily"} {
		b.request(t, http.MethodGet, path, nil, ann).expect(t, http.StatusOK)
	}
	// A guest needs nothing, and neither does somebody who looks at a link.
	b.request(t, http.MethodPost, "/api/jobs", goodBody).expect(t, http.StatusAccepted)
	if page := b.request(t, http.MethodGet, "/verify-email?token="+first, nil).expect(t, http.StatusOK); page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page of the link: %v", page.Header)
	}

	b.auth(t, "resend-verification", nil).accountError(t, http.StatusUnauthorized, "sign_in_required")
	b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	second := verificationToken(t, links, "en")
	b.auth(t, "verify-email", fields{"token": first}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	b.auth(t, "verify-email", fields{}).accountError(t, http.StatusBadRequest, "invalid_request")
	b.auth(t, "verify-email", fields{"token": second}).expect(t, http.StatusOK)
	b.auth(t, "verify-email", fields{"token": second}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	b.request(t, http.MethodGet, "/api/auth/validate", nil, ann).expect(t, http.StatusOK).decode(t, &s)
	if !*s.User.EmailVerified {
		t.Error("the address is not confirmed")
	}
	for path, body := range submit {
		if resp := b.request(t, http.MethodPost, path, body, ann, header("Prefer", "respond-async")); resp.StatusCode >= 300 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.body)
		}
	}
	resp = b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	if len(links) > 0 || !strings.Contains(string(resp.body), "does not need to be verified") {
		t.Errorf("an e-mail for nothing: %s", resp.body)
	}
}

func TestVerificationsAreLimited(t *testing.T) {
	t.Parallel()
	links, verifying := withVerification(t)
	b := setup(t, verifying)
	ann := bearer(b.signUp(t, annEmail).Token)
	for range 3 {
		b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	}
	if resp := b.auth(t, "resend-verification", nil, ann); resp.Header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", resp.Header)
	} else {
		resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	}
	for range 4 {
		<-links
	}
	for range 20 {
		b.auth(t, "verify-email", fields{"token": "x"}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	}
	b.auth(t, "verify-email", fields{"token": "x"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	b.auth(t, "delete-account", fields{"password": annPassword}, ann).expect(t, http.StatusOK)
}

// TestSignupLimitAcrossProcesses signs up through two servers on one NATS: together they let no more through than one.
func TestSignupLimitAcrossProcesses(t *testing.T) {
	t.Parallel()
	var second *server.Server
	b := setup(t, func(cfg *server.Config, deps *server.Deps) {
		parts := *deps
		parts.Metrics = telemetry.NewMetrics()
		var err error
		second, err = server.New(*cfg, parts)
		must(t, err)
	})
	other := *b
	other.server = second
	other.serve(t)
	var mu sync.Mutex
	made, refused := 0, 0
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			resp := []*bundle{b, &other}[n%2].auth(t, "register", fields{"username": "a", "email": fmt.Sprintf("a%d@example.org", n), "password": annPassword})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case resp.StatusCode == http.StatusCreated:
				made++
			case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "":
				refused++
			default:
				t.Errorf("%d %s", resp.StatusCode, resp.body)
			}
		})
	}
	wg.Wait()
	if made != 5 || refused != 5 {
		t.Errorf("%d accounts made, %d refused", made, refused)
	}
}
