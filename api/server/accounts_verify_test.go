package server_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// TestUnverifiedMember signs up where email addresses must be verified and tries everything before and after.
func TestUnverifiedMember(t *testing.T) {
	t.Parallel()
	emails, verifying := withVerification(t)
	b := setup(t, verifying)
	var s struct {
		Token, Message string
		User           struct{ EmailVerified *bool }
	}
	resp := b.auth(t, "register", fields{"username": "Ann", "email": annEmail, "password": annPassword}, language("zh")).expect(t, http.StatusCreated)
	resp.decode(t, &s)
	if s.User.EmailVerified == nil || *s.User.EmailVerified || !strings.Contains(s.Message, "验证") {
		t.Errorf("signed up: %s", resp.body)
	}
	ann := bearer(s.Token)
	first := emailToken(t, emails, "zh", "verify-email")
	submit := map[string]any{
		"/api/jobs": goodBody, "/api/generate": fields{"text": "a", "type": "image"}, "/api/pollinations/image": fields{"prompt": "a"},
		"/api/prompts/optimize": fields{"text": "a"}, "/api/optimize": fields{"text": "a"}, "/api/translate": fields{"text": "a"},
		"/api/images/save": saveBody(jpegImage(t, 64)),
	}
	for path, body := range submit {
		resp := b.post(t, path, body, ann, async, idempotencyKey("k")).expect(t, http.StatusForbidden)
		var f problemBody
		if resp.decode(t, &f); f.Code != "email_not_verified" || !strings.Contains(f.Error, "resend-verification") {
			t.Errorf("%s: %s", path, resp.body)
		}
	}
	if queued, err := b.queue.OwnerIDs(t.Context(), "*"); err != nil || len(queued) > 0 {
		t.Errorf("jobs were created: %v %v", queued, err)
	}
	for _, path := range []string{"/api/jobs", "/api/quota", "/api/auth/validate", "/api/images/daily"} {
		b.get(t, path, ann).expect(t, http.StatusOK)
	}
	// Guests and the page of the link need no verified address.
	b.submit(t, goodBody).expect(t, http.StatusAccepted)
	if page := b.get(t, "/verify-email?token="+first).expect(t, http.StatusOK); page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("verification page: %v", page.Header)
	}

	b.auth(t, "resend-verification", nil).accountError(t, http.StatusUnauthorized, "sign_in_required")
	b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	second := emailToken(t, emails, "en", "verify-email")
	b.auth(t, "verify-email", fields{"token": first}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	b.auth(t, "verify-email", fields{}).accountError(t, http.StatusBadRequest, "invalid_request")
	b.auth(t, "verify-email", fields{"token": second}).expect(t, http.StatusOK)
	b.auth(t, "verify-email", fields{"token": second}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	b.validate(t, ann).expect(t, http.StatusOK).decode(t, &s)
	if !*s.User.EmailVerified {
		t.Error("the address is not verified")
	}
	for path, body := range submit {
		if resp := b.post(t, path, body, ann, async); resp.StatusCode >= 300 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, resp.body)
		}
	}
	resp = b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	if len(emails) > 0 || !strings.Contains(string(resp.body), "does not need to be verified") {
		t.Errorf("an unnecessary email: %s", resp.body)
	}
}

func TestVerificationsAreLimited(t *testing.T) {
	t.Parallel()
	emails, verifying := withVerification(t)
	b := setup(t, verifying)
	ann := b.newMember(t, annEmail)
	for range 3 {
		b.auth(t, "resend-verification", nil, ann).expect(t, http.StatusOK)
	}
	if resp := b.auth(t, "resend-verification", nil, ann); resp.Header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", resp.Header)
	} else {
		resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	}
	for range 4 {
		<-emails
	}
	for range 20 {
		b.auth(t, "verify-email", fields{"token": "x"}).accountError(t, http.StatusBadRequest, "invalid_verification_token")
	}
	b.auth(t, "verify-email", fields{"token": "x"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	b.auth(t, "delete-account", fields{"password": annPassword}, ann).expect(t, http.StatusOK)
}

// TestSignupLimitAcrossProcesses signs up through two servers on one NATS: together they accept no more than one.
func TestSignupLimitAcrossProcesses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.secondProcess(t)
	got := countStatuses(10, func(n int) *reply {
		resp := []*bundle{b, other}[n%2].auth(t, "register", fields{"username": "a", "email": fmt.Sprintf("a%d@example.org", n), "password": annPassword})
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %v", resp.Header)
		}
		return resp
	})
	if want := map[int]int{http.StatusCreated: 5, http.StatusTooManyRequests: 5}; !maps.Equal(got, want) {
		t.Errorf("statuses %v, want %v", got, want)
	}
}
