package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/google"
)

// GooglePath is the path of the page to which Google redirects browsers. The page then posts the code to the API.
const GooglePath = "/auth/google/callback"

// Google configures sign-in with Google.
type Google struct {
	Client *google.Client
	// Redirect returns the redirect URI for requests to a host.
	Redirect func(host string) string
	// Page is the path of the redirect URI if it differs from GooglePath.
	Page string
}

const (
	// googleTimeout bounds the requests to Google for one caller.
	googleTimeout = 20 * time.Second
	// retryGoogle is when to retry while Google cannot be reached, in seconds.
	retryGoogle = 10
)

// googleSettings are the settings that sign-in with Google requires.
var googleSettings = []string{"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"}

// googleHandler serves the routes of sign-in with Google.
type googleHandler struct {
	// google is nil when sign-in with Google is not configured.
	google   *Google
	accounts *account.Accounts
	recovery *account.Mailer
	sessions *session.Sessions
	limits   *accountLimits
	signups  *signupLimit
	problems *problem.Writer
	// flowKey encrypts the cookie of an attempt.
	flowKey []byte
	// pages are the paths at which the page accepts a redirect from Google.
	pages []string
	now   func() time.Time
	log   *slog.Logger
}

func (h *googleHandler) mustGoogle() (*Google, error) {
	if h.google == nil {
		return nil, &problem.Problem{Code: problem.CodeGoogleDisabled, Extra: map[string]any{"configErrors": googleSettings}}
	}
	return h.google, nil
}

// startGoogle is GET /api/auth/google. It redirects the browser to Google. If the caller is signed in and comes from the
// page itself, the Google account will be linked; a browser sent by another site can only sign in.
func (h *googleHandler) startGoogle(c *gin.Context) error {
	respond.Vary(c, "Accept")
	err := h.redirectToGoogle(c)
	if err == nil || c.Request.Context().Err() != nil || !strings.Contains(c.GetHeader("Accept"), "text/html") {
		return err
	}
	// A browser is redirected to the page with the error, as Google would have done.
	page := GooglePath
	if g := h.google; g != nil {
		page = g.Redirect(c.Request.Host)
	}
	p := h.problems.ToProblem(c.Request.Context(), err)
	c.Redirect(http.StatusFound, page+"?error="+url.QueryEscape(p.Code)+"&state=")
	return nil
}

// googleStart is the response to a page on another site, where browsers do not send the cookie.
type googleStart struct {
	Success bool   `json:"success"`
	URL     string `json:"url"`
	// Attempt replaces the cookie flowCookie.
	Attempt string `json:"attempt"`
}

func (h *googleHandler) redirectToGoogle(c *gin.Context) error {
	g, err := h.mustGoogle()
	if err != nil {
		return err
	}
	m, err := h.memberOrGuest(c)
	if err != nil {
		return err
	}
	member := ""
	if site := c.GetHeader("Sec-Fetch-Site"); m != nil && (!m.ByCookie || site == "" || site == "same-origin" || site == "none") {
		if member = m.User.ID; !m.User.HasGoogle() && !h.accounts.Fresh(m.Session) {
			return account.ErrStale // Linking would fail after the redirects.
		}
	}
	f := h.newFlow(g.Redirect(c.Request.Host), ownPath(c.Query("return")), member)
	ctx, cancel := context.WithTimeout(c.Request.Context(), googleTimeout)
	defer cancel()
	authURL, err := g.Client.AuthURL(ctx, f.start())
	if err != nil {
		return h.googleProblem(c, err)
	}
	sealed, err := sealFlow(h.flowKey, f)
	if err != nil {
		return err
	}
	if accept := c.GetHeader("Accept"); strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		respond.JSON(c, http.StatusOK, googleStart{true, authURL, sealed})
		return nil
	}
	h.setFlow(c, sealed, int(flowAge.Seconds()))
	c.Redirect(http.StatusFound, authURL)
	return nil
}

// memberOrGuest returns the signed-in member, or nil for a guest. A browser with an invalid token counts as a guest, so
// that it can sign in.
func (h *googleHandler) memberOrGuest(c *gin.Context) (*session.Member, error) {
	m, err := h.sessions.Member(c)
	_, byCookie := session.Token(c.Request)
	if p, is := errors.AsType[*problem.Problem](err); is && p.Code == problem.CodeToken && byCookie {
		c.Writer.Header().Del("WWW-Authenticate")
		return nil, nil
	}
	return m, err
}

// finishGoogle is POST /api/auth/google-oauth. It accepts the code and the state that Google has sent, if the state belongs
// to the attempt in the browser's cookie, or in the body for a page on another site. A state works once across all
// processes.
func (h *googleHandler) finishGoogle(c *gin.Context) error {
	var req struct {
		Code    string `json:"code"`
		State   string `json:"state"`
		Attempt string `json:"attempt"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	g, refund, err := h.takeGoogle(c)
	if err != nil {
		return err
	}
	f := h.findFlow(c.Request, req.Attempt, func(f *flow) bool { return f.hasState(req.State) })
	if len(b.Faults) > 0 || req.Code == "" || f == nil {
		return problem.New(problem.CodeGoogleState)
	}
	m, err := h.memberOrGuest(c)
	if err != nil {
		return err
	}
	if err := h.consumeOnce(c, "google state "+f.State, time.Unix(f.Expires, 0)); err != nil {
		return err
	}
	h.setFlow(c, "", -1)
	if !f.sameMember(m) {
		return problem.New(problem.CodeGoogleState)
	}
	if f.Member == "" && m != nil && m.ByCookie {
		// The attempt was started as a sign-in or by another site, and browsers send the cookie by themselves: nothing is
		// linked. A token in a header is sent on purpose, and could not be sent when the attempt was started.
		m = nil
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), googleTimeout)
	defer cancel()
	identity, err := g.Client.Exchange(ctx, f.start(), req.Code)
	if err != nil {
		return h.failGoogle(c, err, refund)
	}
	return h.completeGoogle(c, identity, m, f.Return, refund)
}

// sameMember reports whether m is the member who started the attempt, if a member did.
func (f *flow) sameMember(m *session.Member) bool {
	return f.Member == "" || (m != nil && f.Member == m.User.ID)
}

// loginGoogle is POST /api/auth/google-login. It accepts an id_token that a page has obtained from Google by itself. A token
// works once; one with a nonce only in the browser that has started the attempt, and one without regardless of attempts.
func (h *googleHandler) loginGoogle(c *gin.Context) error {
	var req struct {
		Token string `json:"idToken"`
	}
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	g, refund, err := h.takeGoogle(c)
	if err != nil {
		return err
	}
	if len(b.Faults) > 0 || req.Token == "" {
		return problem.New(problem.CodeGoogleToken)
	}
	m, err := h.memberOrGuest(c)
	if err != nil {
		return err
	}
	nonce := ""
	if f := h.findFlow(c.Request, "", func(*flow) bool { return true }); f != nil {
		nonce = f.Nonce
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), googleTimeout)
	defer cancel()
	identity, err := g.Client.Verify(ctx, req.Token, nonce)
	if err != nil {
		return h.failGoogle(c, err, refund)
	}
	if err := h.consumeOnce(c, "google token "+identity.Token, identity.Expires); err != nil {
		return err
	}
	if identity.Nonce != "" {
		h.setFlow(c, "", -1)
	}
	return h.completeGoogle(c, identity, m, "", refund)
}

// takeGoogle counts an attempt before it is made; refund undoes that. It fails if Google is not configured or too many attempts
// were made.
func (h *googleHandler) takeGoogle(c *gin.Context) (g *Google, refund func(), err error) {
	if g, err = h.mustGoogle(); err != nil {
		return nil, nil, err
	}
	address := ratelimit.ClientKey(c.ClientIP())
	if err := take(h.limits.google, address); err != nil {
		return nil, nil, err
	}
	return g, func() { h.limits.google.Refund(address) }, nil
}

// failGoogle returns the problem for a failed attempt, and refunds the attempt if Google is unavailable.
func (h *googleHandler) failGoogle(c *gin.Context, err error, refund func()) error {
	if e, is := errors.AsType[*google.Error](err); is && e.Kind == google.KindUnavailable {
		refund()
	}
	return h.googleProblem(c, err)
}

func (h *googleHandler) consumeOnce(c *gin.Context, name string, until time.Time) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return h.accounts.ConsumeOnce(ctx, name, until)
}

// completeGoogle signs the user in or, if m is not nil, links the Google account to m.
func (h *googleHandler) completeGoogle(c *gin.Context, identity *google.Identity, m *session.Member, back string, refund func()) error {
	g := account.GoogleIdentity{
		Subject: identity.Subject, Email: identity.Email, Verified: identity.Verified, Name: identity.Name, Picture: identity.Picture, Locale: identity.Locale,
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	message := "signed_in"
	var u *account.User
	var err error
	switch {
	case m == nil:
		admit, refundSignup := h.signups.admit(c)
		u, err = h.accounts.SignInGoogle(ctx, g, admit)
		refundSignup(err)
	case !m.User.HasGoogle() && !h.accounts.Fresh(m.Session):
		err = account.ErrStale // A stolen token must not give permanent access.
	default:
		if !m.User.HasGoogle() {
			message = "linked"
		}
		u, err = h.accounts.LinkGoogle(ctx, m.User, g)
	}
	if errors.Is(err, account.ErrLinkRequired) {
		return &problem.Problem{Code: problem.CodeLinkRequired, Extra: map[string]any{"cause": problem.CodeLinkRequired}}
	}
	if err != nil {
		return err
	}
	refund()
	if message == "linked" {
		h.recovery.SendNotice(u, account.NoticeGoogle, problem.Lang(c))
	}
	token, err := h.sessions.SignIn(c, u)
	if err != nil {
		return err
	}
	// The original's clients expect the provider of this sign-in, regardless of what else the account allows.
	shown := *u
	shown.AuthProvider = account.ProviderGoogle
	respondDone(c, http.StatusOK, message, accountReply{User: newUserView(&shown), Token: token, Return: back})
	return nil
}

// unlinkGoogle is POST /api/auth/google-unlink.
func (h *googleHandler) unlinkGoogle(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := h.accounts.UnlinkGoogle(ctx, m.User)
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "unlinked", accountReply{User: newUserView(u)})
	return nil
}

// googleProblem returns the problem for an error of Google, in the format of the original. It logs errors that only the
// operator can correct.
func (h *googleHandler) googleProblem(c *gin.Context, err error) error {
	e, is := errors.AsType[*google.Error](err)
	if !is {
		return err
	}
	p := &problem.Problem{Code: googleCodes[e.Kind], Extra: map[string]any{}, Cause: e}
	if e.Code != "" {
		p.Extra["google_error"], p.Extra["google_error_description"] = e.Code, e.Description
	}
	if e.Status != 0 {
		p.Extra["status"] = e.Status
	}
	switch e.Kind {
	case google.KindUnavailable:
		p.RetryAfter = retryGoogle
	case google.KindMisconfigured:
		p.Extra["configErrors"] = []string{e.Setting}
		h.log.ErrorContext(c.Request.Context(), "google sign-in is misconfigured and fails until its settings are corrected",
			slog.String("variable", e.Setting), slog.String("reason", e.Reason), slog.String("google_error", e.Code))
	case google.KindCode, google.KindToken:
		h.log.InfoContext(c.Request.Context(), "google sign-in refused", slog.String("reason", e.Reason), slog.String("google_error", e.Code))
	}
	return p
}

var googleCodes = map[google.Kind]string{
	google.KindUnavailable: problem.CodeGoogleUnavailable, google.KindMisconfigured: problem.CodeGoogleConfig,
	google.KindCode: problem.CodeGoogleRefused, google.KindToken: problem.CodeGoogleToken,
}
