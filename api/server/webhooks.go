package server

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

// maxWebhookSends is how many pings and redeliveries a member may request within guessWindow.
const maxWebhookSends = 60

// webhookHandler serves the webhooks of members. Guests have none: there is nobody to give the secret to, and anyone could make
// this server send requests to others.
type webhookHandler struct {
	hooks    *webhook.Service
	sessions *session.Sessions
	owners   *owners
	// sends bounds pings and redeliveries.
	sends *ratelimit.Limiter
}

// signInForWebhooks returns the problem for a guest who names a webhook.
func signInForWebhooks(c *gin.Context) error {
	c.Header("WWW-Authenticate", `Bearer realm="account"`)
	return problem.Because(problem.CodeSignIn, "webhook")
}

// checkURL adds an error unless events can be sent to a URL.
func (h *webhookHandler) checkURL(b *bind.Binder, pointer, url string) {
	if !bind.Has(b.Faults, pointer) && !h.hooks.CheckURL(url) {
		b.Add(pointer, "invalid_webhook")
	}
}

// webhookEvents converts the names of events, of which each counts once. It returns nil for nil.
func webhookEvents(b *bind.Binder, pointer string, names []string) []job.Event {
	if names == nil {
		return nil
	}
	events := make([]job.Event, 0, len(job.Events()))
	named := make(map[job.Event]bool, len(names))
	for i, name := range names {
		at := pointer + "/" + strconv.Itoa(i)
		if event := job.Event(name); event.Valid() {
			named[event] = true
		} else if !bind.Has(b.Faults, at) {
			b.Add(at, "unknown_value", "known", bind.Join(job.Events()))
		}
	}
	for _, event := range job.Events() {
		if named[event] {
			events = append(events, event)
		}
	}
	return events
}

// endpointView is where the events of an account are sent.
type endpointView struct {
	URL      *string            `json:"url"`
	Events   []job.Event        `json:"events"`
	Disabled []webhook.Disabled `json:"disabled"`
}

func respondEndpoint(c *gin.Context, e *webhook.Endpoint) error {
	view := endpointView{Events: e.Events, Disabled: e.Disabled}
	if e.URL != "" {
		view.URL = &e.URL
	}
	if view.Events == nil {
		view.Events = job.EndEvents()
	}
	if view.Disabled == nil {
		view.Disabled = []webhook.Disabled{}
	}
	return respondPrivate(c, http.StatusOK, view)
}

// respondPrivate responds with something that no cache may keep.
func respondPrivate(c *gin.Context, status int, body any) error {
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, status, body)
	return nil
}

// getEndpoint is GET /api/webhooks.
func (h *webhookHandler) getEndpoint(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	e, err := h.hooks.Endpoint(ctx, m.User.Owner())
	if err != nil {
		return err
	}
	return respondEndpoint(c, e)
}

// endpointRequest is the body of PUT /api/webhooks.
type endpointRequest struct {
	URL    *string  `json:"url"`
	Events []string `json:"events"`
}

// setEndpoint is PUT /api/webhooks. Without a URL the jobs of the account have no webhook unless they name one.
func (h *webhookHandler) setEndpoint(c *gin.Context, m *session.Member) error {
	var req endpointRequest
	b, err := bind.JSON(c, &req)
	if err != nil {
		return err
	}
	url := ""
	if req.URL != nil {
		url = *req.URL
		h.checkURL(b, "/url", url)
	}
	events := webhookEvents(b, "/events", req.Events)
	if err := b.Err(); err != nil {
		return err
	}
	if events == nil {
		events = job.EndEvents()
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	e, err := h.hooks.SetEndpoint(ctx, m.User.Owner(), url, events)
	if err != nil {
		return err
	}
	if err := h.owners.undoIfDeleted(ctx, m, h.hooks.Erase); err != nil {
		return err
	}
	return respondEndpoint(c, e)
}

// secretView is the secret of an account.
type secretView struct {
	Secret        string    `json:"secret"`
	PreviousUntil *job.Time `json:"previous_until,omitempty"`
}

// getSecret is GET /api/webhooks/secret.
func (h *webhookHandler) getSecret(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	s, err := h.hooks.Secret(ctx, m.User.Owner())
	if err != nil {
		return err
	}
	return respondPrivate(c, http.StatusOK, secretView{s.Secret, s.PreviousUntil})
}

// rotateSecret is POST /api/webhooks/secret.
func (h *webhookHandler) rotateSecret(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	s, err := h.hooks.Rotate(ctx, m.User.Owner())
	if err != nil {
		return err
	}
	if err := h.owners.undoIfDeleted(ctx, m, h.hooks.Erase); err != nil {
		return err
	}
	return respondPrivate(c, http.StatusOK, secretView{s.Secret, s.PreviousUntil})
}
