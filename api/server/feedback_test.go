package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// feedbackView is a feedback entry as a client reads it.
type feedbackView struct {
	ID, Category, Content, Status, UserID, Email string
	CreatedAt                                    string `json:"created_at"`
}

// feedbackList is the response of the user's or the operator's list.
type feedbackList struct {
	Success   bool
	Feedbacks []feedbackView
	Count     int
	Stats     *struct{ Total, Pending, Processed, Today int }
	Next      string `json:"next_cursor"`
	Allowed   string `json:"next_allowed_at"`
}

// sendFeedback sends POST /api/feedback.
func (b *bundle) sendFeedback(t testing.TB, who option, category, content string) *reply {
	t.Helper()
	return b.post(t, "/api/feedback", fields{"category": category, "content": content}, who)
}

// storeFeedback stores feedback of a member directly, without the limit of one per ten minutes.
func (b *bundle) storeFeedback(t testing.TB, who *session, at time.Time, category, content string) string {
	t.Helper()
	box, err := feedback.New(t.Context(), b.broker, feedback.WithClock(func() time.Time { return at }))
	must(t, err)
	e, _, err := box.Give(t.Context(), feedback.Writer{Owner: who.User.ID, ID: who.User.ID, Email: who.User.Email}, category, content)
	must(t, err)
	return e.ID
}

// myFeedback returns the user's list.
func (b *bundle) myFeedback(t testing.TB, who option) feedbackList {
	t.Helper()
	var list feedbackList
	b.get(t, "/api/feedback/my", who).expect(t, http.StatusOK).decode(t, &list)
	return list
}

func TestSubmitFeedback(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	who := bearer(ann.Token)
	for name, body := range map[string]any{
		"/category required /content required": fields{},
		"/content required":                    fields{"category": "bug", "content": " <br> "},
		"/category required":                   fields{"category": "<b></b>", "content": "x"},
		"/content too_long":                    fields{"category": "bug", "content": strings.Repeat("界", 1001)},
		"/category too_long":                   fields{"category": strings.Repeat("c", 51), "content": "x"},
		"/content wrong_type":                  fields{"category": "bug", "content": []string{"x"}},
		"/category wrong_type":                 fields{"category": fields{"a": 1}, "content": "x"},
	} {
		f := b.post(t, "/api/feedback", body, who).accountError(t, http.StatusBadRequest, "invalid_request")
		if got := f.Errors.list(); strings.Join(got, " ") != name {
			t.Errorf("%v: %v", name, got)
		}
	}
	b.post(t, "/api/feedback", "{", who).accountError(t, http.StatusBadRequest, "invalid_json")
	b.post(t, "/api/feedback", nil, who).accountError(t, http.StatusBadRequest, "body_required")
	if list := b.myFeedback(t, who); !list.Success || list.Count != 0 || list.Feedbacks == nil || list.Allowed != "" {
		t.Errorf("initially %+v", list)
	}
	// A thousand characters of several bytes, and an unknown category.
	content := "<b>" + strings.Repeat("😀", 993) + "</b>"
	var created struct {
		Success    bool
		Message    string
		FeedbackID string
		Next       string `json:"next_allowed_at"`
	}
	resp := b.post(t, "/api/feedback", fields{"category": " 表扬 ", "content": content, "userId": "eve"}, who, language("zh"))
	resp.expect(t, http.StatusCreated).decode(t, &created)
	if !created.Success || created.FeedbackID == "" || !strings.Contains(created.Message, "反馈") || !millisecondsPattern.MatchString(created.Next) || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("response %s", resp.body)
	}
	list := b.myFeedback(t, who)
	if list.Count != 1 || list.Allowed != created.Next {
		t.Fatalf("the list is %+v", list)
	}
	if got := list.Feedbacks[0]; got.ID != created.FeedbackID || got.Category != "表扬" || got.Content != strings.Repeat("😀", 993) || got.Status != "pending" ||
		!millisecondsPattern.MatchString(got.CreatedAt) || got.Email != "" || got.UserID != "" {
		t.Errorf("the list holds %+v", got)
	}
	soon := b.sendFeedback(t, who, "bug", "again")
	f := soon.accountError(t, http.StatusBadRequest, "feedback_too_soon")
	if f.RetryAfter < 500 || f.RetryAfter > 600 || soon.Header.Get("Retry-After") != fmt.Sprint(f.RetryAfter) || !strings.Contains(f.Error, " 10 min") || !strings.Contains(string(soon.body), created.Next) {
		t.Errorf("second feedback: %s, %v", soon.body, soon.Header)
	}
	if head := b.head(t, "/api/feedback/my", who); head.StatusCode != http.StatusOK || len(head.body) > 0 {
		t.Errorf("HEAD returns %d, %s", head.StatusCode, head.body)
	}
}

// TestParallelFeedback sends many entries at once, of which one is accepted.
func TestParallelFeedback(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	got := countStatuses(30, func(n int) *reply { return b.sendFeedback(t, bearer(ann.Token), "bug", fmt.Sprint(n)) })
	if got[http.StatusCreated] != 1 || got[http.StatusBadRequest] != 29 {
		t.Errorf("statuses %v", got)
	}
	if list := b.myFeedback(t, bearer(ann.Token)); list.Count != 1 {
		t.Errorf("stored: %+v", list)
	}
}

// TestMyFeedbackIsNewestFirst stores more feedback than the list returns.
func TestMyFeedbackIsNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob := b.signUp(t, annEmail), b.signUp(t, "bob@example.org")
	start := time.Now().Add(-24 * time.Hour)
	for i := range 25 {
		b.storeFeedback(t, ann, start.Add(time.Duration(i)*feedback.Every), "bug", fmt.Sprint("ann ", i))
		b.storeFeedback(t, bob, start.Add(time.Duration(i)*feedback.Every), "bug", fmt.Sprint("bob ", i))
	}
	list := b.myFeedback(t, bearer(ann.Token))
	if list.Count != 20 || len(list.Feedbacks) != 20 || list.Allowed != "" {
		t.Fatalf("%d of %d, allowed %q", len(list.Feedbacks), list.Count, list.Allowed)
	}
	for i, f := range list.Feedbacks {
		if want := fmt.Sprint("ann ", 24-i); f.Content != want {
			t.Errorf("%d is %q, want %q", i, f.Content, want)
		}
	}
}

// TestFeedbackAccess requests the routes of feedback as every caller.
func TestFeedbackAccess(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin, behindProxy)
	ann, callers := b.callers(t)
	b.sendFeedback(t, bearer(ann.Token), "bug", "feedback of Ann").expect(t, http.StatusCreated)
	ip := 0
	for name, who := range callers {
		// A token instead of the key counts as a guess, so each caller has its own address.
		ip++
		list := b.get(t, "/api/feedback/my", who.option)
		post := b.sendFeedback(t, who.option, "bug", "feedback of "+name)
		admin := b.get(t, "/api/admin/feedback", who.option, fromIP(fmt.Sprint("192.0.2.", ip)))
		// A member's token is not the key.
		admin.accountError(t, http.StatusForbidden, "admin_key_required")
		switch {
		case who.isOwner:
			list.expect(t, http.StatusOK)
			post.accountError(t, http.StatusBadRequest, "feedback_too_soon")
		case who.invalid:
			list.accountError(t, http.StatusUnauthorized, "invalid_token")
			post.accountError(t, http.StatusUnauthorized, "invalid_token")
		case strings.HasPrefix(name, "Bob"):
			list.expect(t, http.StatusOK)
			if status := post.StatusCode; status != http.StatusCreated && status != http.StatusBadRequest {
				t.Errorf("%s: %d", name, status)
			}
		default:
			list.accountError(t, http.StatusUnauthorized, "sign_in_required")
			post.accountError(t, http.StatusUnauthorized, "sign_in_required")
		}
		if seen := strings.Contains(string(list.body), "feedback of Ann"); seen != who.isOwner {
			t.Errorf("%s sees %s", name, list.body)
		}
	}
	stats, err := b.box.Stats(t.Context())
	if err != nil || stats.Total != 2 {
		t.Errorf("stored: %+v, %v", stats, err)
	}
	if list := b.myFeedback(t, callers["Bob"].option); list.Count != 1 || !strings.HasPrefix(list.Feedbacks[0].Content, "feedback of Bob") {
		t.Errorf("Bob's: %+v", list)
	}
}

// TestFeedbackOfADeletedAccountIsErased deletes the account between the check of the token and the write.
func TestFeedbackOfADeletedAccountIsErased(t *testing.T) {
	t.Parallel()
	for route, body := range map[string]string{
		"/api/feedback":      `{"category":"bug","content":"remains"}`,
		imagesRoute + "save": string(marshal(t, saveBody(largePNG(t)))),
	} {
		t.Run(route, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			ann := b.signUp(t, annEmail)
			b.sendBodyAfter(t, route, body, ann, func() {
				b.auth(t, "delete-account", fields{"password": annPassword}, bearer(ann.Token)).expect(t, http.StatusOK)
			})
			for _, name := range []string{broker.FeedbackStream, broker.ImagesStream} {
				stream, err := b.broker.JetStream().Stream(t.Context(), name)
				must(t, err)
				info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
				must(t, err)
				if len(info.State.Subjects) > 0 {
					t.Errorf("data left: %v", info.State.Subjects)
				}
			}
		})
	}
}

// sendBodyAfter sends a request, calls meanwhile after its sender is identified and before the body is sent, and expects
// status 401.
func (b *bundle) sendBodyAfter(t *testing.T, route, body string, who *session, meanwhile func()) {
	t.Helper()
	conn := b.sendHead(t, route, body, who)
	// The server sends 100 Continue after it has identified the sender.
	responses := bufio.NewReader(conn)
	line, err := responses.ReadString('\n')
	must(t, err)
	if !strings.Contains(line, "100") {
		t.Fatalf("no 100 Continue: %s", line)
	}
	meanwhile()
	_, err = io.WriteString(conn, body)
	must(t, err)
	if line, err = responses.ReadString('\n'); err == nil {
		line, err = responses.ReadString('\n') // The first line ends the 100 response.
	}
	if err != nil || !strings.Contains(line, "401") {
		t.Errorf("response %q, %v", line, err)
	}
}

func FuzzDecodeFeedback(f *testing.F) {
	f.Add([]byte(`{"category":"bug","content":"<b>x</b>"}`))
	f.Add([]byte(`{"category":7,"content":null,"content":"\ud800","x":[{}]}`))
	f.Add([]byte(`{"content":"` + strings.Repeat("<", 2000) + `"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		category, content, faults, err := server.DecodeFeedback(body)
		if err != nil {
			checkClientError(t, err)
			return
		}
		for _, fault := range faults {
			if fault.Sentence(job.Chinese) == fault.Code {
				t.Errorf("fault %+v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		if n := utf8.RuneCountInString(feedback.Clean(content)); n < 1 || n > feedback.MaxContent || !utf8.ValidString(content) {
			t.Errorf("content of %d characters is accepted", n)
		}
		if n := utf8.RuneCountInString(feedback.Clean(category)); n < 1 || n > feedback.MaxCategory {
			t.Errorf("a category of %d characters is accepted", n)
		}
	})
}
