package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// jobPage is a page of jobs as a client reads it.
type jobPage struct {
	Jobs []view
	Next *string `json:"next_cursor"`
}

// list returns a page of the jobs of a guest.
func (b *bundle) list(t testing.TB, query string, c *http.Cookie) jobPage {
	t.Helper()
	var l jobPage
	b.get(t, "/api/jobs"+query, cookie(c)).expect(t, http.StatusOK).decode(t, &l)
	return l
}

func jobIDs(l jobPage) (ids []string) {
	for _, j := range l.Jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

// makeJobs creates n jobs of all kinds and in several states for a new guest and returns their ids, oldest first.
func makeJobs(t testing.TB, b *bundle, n int) (*http.Cookie, []string) {
	t.Helper()
	c, owner := guest()
	var created []string
	began := time.Now().Add(-time.Hour)
	for i := range n {
		kind := job.Kinds()[i%4]
		in, err := job.NewInput(kind)
		must(t, err)
		switch in := in.(type) {
		case *job.ImageInput:
			*in = *imageInput()
			in.Prompt = "p"
		case *job.AudioInput:
			*in = *audioInput()
		case *job.TextInput:
			in.Text = "t"
		}
		spec := newSpec(owner, fmt.Sprintf("job-%03d", i), kind, in)
		spec.CreatedAt = job.At(began.Add(time.Duration(i) * time.Second))
		spec.Deadline = job.At(time.Now().Add(time.Hour))
		if i%2 == 0 {
			b.push(t, spec)
		} else {
			b.settle(t, spec, &job.Record{Status: []job.Status{job.StatusSucceeded, job.StatusFailed}[i/2%2], Result: &job.Result{}})
		}
		created = append(created, spec.ID)
	}
	return c, created
}

func TestListIsNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, created := makeJobs(t, b, 25)
	makeJobs(t, b, 3) // Another guest's.
	slices.Reverse(created)
	l := b.list(t, "", c)
	if got := jobIDs(l); !slices.Equal(got, created[:20]) || l.Next == nil {
		t.Fatalf("got %v", got)
	}
	rest := b.list(t, "?cursor="+*l.Next, c)
	if got := jobIDs(rest); !slices.Equal(got, created[20:]) || rest.Next != nil {
		t.Errorf("got %v, next %v", got, rest.Next)
	}
	var paged []string
	for cursor := ""; ; {
		page := b.list(t, "?limit=7&cursor="+cursor, c)
		paged = append(paged, jobIDs(page)...)
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	if !slices.Equal(paged, created) {
		t.Errorf("by pages: %v", paged)
	}
	if resp := b.get(t, "/api/jobs", cookie(c)); resp.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("Cache-Control %q", resp.Header.Get("Cache-Control"))
	}
	c, _ = guest()
	if l := b.list(t, "", c); l.Jobs == nil || len(l.Jobs) != 0 {
		t.Errorf("a new guest has %v", l)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := makeJobs(t, b, 16)
	for query, want := range map[string]int{
		"?kind=image":                                  4,
		"?kind=image,audio":                            8,
		"?kind=image&kind=audio":                       8,
		"?kind=image,image&kind=":                      4,
		"?status=queued":                               8,
		"?status=succeeded,failed":                     8,
		"?status=running":                              0,
		"?kind=audio&status=succeeded":                 4,
		"?kind=audio&state=succeeded":                  4,
		"?status=queued&state=succeeded":               12,
		"?q=P":                                         4,
		"?q=%20T%20&state=queued":                      4,
		"?q=&kind=image":                               4,
		"?q=unicorn":                                   0,
		"?tag=none":                                    0,
		"?created_after=2020-01-01T00:00:00Z":          16,
		"?created_before=2020-01-01T00:00:00%2B08:00":  0,
		"?kind=image&status=succeeded":                 0,
		"?kind=image,audio,prompt,translation":         16,
		"?status=queued,succeeded,failed&limit=100":    16,
		"?" + url.Values{"kind": {" image "}}.Encode(): 4,
	} {
		if got := len(b.list(t, query, c).Jobs); got != want {
			t.Errorf("%s: %d jobs, want %d", query, got, want)
		}
	}
}

func TestListRejectsInvalidQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	for query, pointers := range map[string][]string{
		"?limit=0":                       {"?limit out_of_range"},
		"?limit=101":                     {"?limit out_of_range"},
		"?limit=x":                       {"?limit out_of_range"},
		"?limit=":                        {"?limit out_of_range"},
		"?kind=video":                    {"?kind unknown_value"},
		"?status=done":                   {"?status unknown_value"},
		"?state=done":                    {"?state unknown_value"},
		"?q=" + strings.Repeat("ä", 201): {"?q too_long"},
		"?created_after=yesterday":       {"?created_after invalid_time"},
		"?created_before=2026-01-01":     {"?created_before invalid_time"},
		"?" + strings.Repeat("tag=a&", 17) + "limit=1": {"?tag too_many_items"},
		"?kind=a&status=b&limit=-1":                    {"?limit out_of_range", "?kind unknown_value", "?status unknown_value"},
		"?status=queued&status=\x00bad":                {"?status unknown_value"},
	} {
		query := "?" + mustQuery(t, query[1:]).Encode()
		f := b.get(t, "/api/jobs"+query, cookie(c)).problem(t, http.StatusBadRequest, "invalid_request")
		if got := f.Errors.list(); !slices.Equal(got, pointers) {
			t.Errorf("%s: %v, want %v", query, got, pointers)
		}
	}
	good := server.EncodeCursor(server.Position{CreatedAt: time.UnixMilli(5), ID: "job-a"})
	for _, cursor := range []string{
		"x", "====", good + "=", good[1:], good[:len(good)-1], base64.RawURLEncoding.EncodeToString([]byte("2.5.job-a")),
		base64.RawURLEncoding.EncodeToString([]byte("1.x.job-a")), base64.RawURLEncoding.EncodeToString([]byte("1.5.a.b")),
		base64.RawURLEncoding.EncodeToString([]byte("1.05.job-a")), base64.RawURLEncoding.EncodeToString([]byte("1.5.>")),
		base64.RawURLEncoding.EncodeToString([]byte("1.99999999999999999999.job-a")), base64.StdEncoding.EncodeToString(make([]byte, 2000)),
	} {
		resp := b.get(t, "/api/jobs?"+url.Values{"cursor": {cursor}}.Encode(), cookie(c))
		resp.problem(t, http.StatusBadRequest, "invalid_cursor")
	}
	b.get(t, "/api/jobs?cursor="+good, cookie(c)).expect(t, http.StatusOK)
	b.get(t, "/api/jobs").problem(t, http.StatusUnauthorized, "identity_required")
	b.get(t, "/api/jobs", cookie(&http.Cookie{Name: "t2i_guest", Value: "guest"})).
		problem(t, http.StatusUnauthorized, "identity_required")
}

func mustQuery(t testing.TB, raw string) url.Values {
	t.Helper()
	values, err := url.ParseQuery(raw)
	must(t, err)
	return values
}

func FuzzCursor(f *testing.F) {
	f.Add(server.EncodeCursor(server.Position{CreatedAt: time.UnixMilli(1), ID: "a"}))
	f.Add("MS41LmpvYi1h")
	f.Fuzz(func(t *testing.T, cursor string) {
		mark, ok := server.DecodeCursor(cursor)
		if ok && (server.EncodeCursor(mark) != cursor || !job.ValidToken(mark.ID)) {
			t.Errorf("%q became %+v", cursor, mark)
		}
	})
}

// TestUnknownQueryParameters sends unknown and duplicate parameters.
func TestUnknownQueryParameters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	for _, tc := range []struct{ method, target, faults string }{
		{"GET", "/api/jobs?x=1&limit=2&limit=3&kind=image&kind=audio&Limit=1", "[?Limit unknown_field ?limit duplicate_field ?x unknown_field]"},
		{"HEAD", "/api/jobs?x=1", ""},
		{"GET", "/api/jobs/job-a?wait=0&wait=0", "[?wait duplicate_field]"},
		{"GET", "/api/jobs/job-a?limit=1", "[?limit unknown_field]"},
		{"GET", "/api/jobs/job-a/events?wait=1", "[?wait unknown_field]"},
		{"GET", "/api/jobs/job-a/media/0?download=1&download=1", "[?download duplicate_field]"},
		{"GET", "/api/jobs/job-a/media/0?download=yes&w=1", "[?download unknown_value ?w unknown_value]"},
		{"GET", "/api/jobs/job-a/media/0?download", "[?download unknown_value]"},
		{"GET", "/api/uploads/u?download=0", "[?download unknown_value]"},
		{"DELETE", "/api/uploads/u?download=1", "[?download unknown_field]"},
		{"POST", "/api/jobs?limit=1", "[?limit unknown_field]"},
		{"POST", "/api/jobs/job-a/cancel?force", "[?force unknown_field]"},
		{"DELETE", "/api/jobs/job-a?wait=1", "[?wait unknown_field]"},
		{"GET", "/api/models?kind=image", "[?kind unknown_field]"},
		{"GET", "/api/quota?x=1", "[?x unknown_field]"},
		{"GET", "/api/events?a~/b", "[?a~0~1b unknown_field]"},
		{"GET", "/api/jobs?limit=%zz&kind=image", "[?limit invalid_value]"},
		{"GET", "/api/jobs?limit=2;q=fox", "[?limit invalid_value]"},
	} {
		resp := b.request(t, tc.method, tc.target, nil, cookie(c))
		if tc.faults == "" {
			resp.expect(t, http.StatusBadRequest)
			continue
		}
		if got := fmt.Sprint(resp.problem(t, http.StatusBadRequest, "invalid_request").Errors.list()); got != tc.faults {
			t.Errorf("%s %s: %s, want %s", tc.method, tc.target, got, tc.faults)
		}
	}
	// Links to pages may have arbitrary parameters.
	for _, target := range []string{"/?utm_source=x", "/docs?x=1", "/livez?x=1"} {
		b.get(t, target).expect(t, http.StatusOK)
	}
}
