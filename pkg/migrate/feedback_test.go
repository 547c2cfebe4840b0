package migrate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// one makes an entry as the system before stored it; a nil takes a field away.
func one(user string, ms int64, changes fields) fields {
	value := fields{
		"id": fmt.Sprintf("feedback_%s_%d", user, ms), "userId": user, "email": user + "@example.org", "category": "feature",
		"content": "x", "created_at": "2025-05-06T07:08:09.123Z", "status": "pending",
	}
	for name, v := range changes {
		if value[name] = v; v == nil {
			delete(value, name)
		}
	}
	return fields{"name": fmt.Sprintf("feedback_%s_%d", user, ms), "value": value}
}

// asText returns an entry whose value is a string, as in Cloudflare KV.
func asText(t testing.TB, f fields) fields {
	t.Helper()
	text, err := json.Marshal(f["value"])
	must(t, err)
	return fields{"key": f["name"], "value": string(text)}
}

const odd = "张 三@old.example"

var feedbackOwners = map[string]string{"ann": "ann", "bob": "bob", odd: "u-0123"}

func TestFeedback(t *testing.T) {
	t.Parallel()
	box, _ := openFeedback(t)
	_, _, err := box.Give(t.Context(), feedback.Writer{Owner: "ann", ID: "ann", Email: "ann@example.org"}, "bug", "of here")
	must(t, err)
	entries := func() *strings.Reader {
		return export(
			t,
			fields{"name": "user_feedback:ann", "value": `["feedback_ann_1"]`}, fields{"name": "feedback_rate_limit:ann", "value": "1"},
			asText(t, one("ann", 3, fields{"content": "third", "created_at": "2025-05-06T07:08:12Z"})),
			one("ann", 1746515289000, fields{"content": "first <b>bold</b>", "created_at": "some day", "status": "processed"}),
			asText(t, one("bob", 2, fields{"content": "second", "created_at": 1746515290000, "category": nil, "status": 7})),
			one(odd, 4, fields{"content": "fourth", "userId": nil, "created_at": "2025-05-06T09:08:13+02:00", "category": "<i>我的</i>"}),
		)
	}
	done, err := migrate.Feedback(t.Context(), box, entries(), feedbackOwners)
	must(t, err)
	if done.Imported != 4 || done.Kept != 0 || done.Foreign != 2 || len(done.Skipped) != 0 {
		t.Fatalf("the first import: %+v", done)
	}
	all := []string{"of here", "fourth", "third", "second", "first bold"}
	if got := contents(t, box, feedback.Filter{}, 2); !slices.Equal(got, all) {
		t.Errorf("the list is %q", got)
	}
	page, err := box.List(t.Context(), feedback.Filter{}, feedback.Place{}, 10)
	must(t, err)
	for i, want := range []string{
		"", "f-  u-0123 我的 pending " + odd + "@example.org 2025-05-06T07:08:13.000Z", "feedback_ann_3 ann feature pending ann@example.org 2025-05-06T07:08:12.000Z",
		"feedback_bob_2 bob other pending bob@example.org 2025-05-06T07:08:10.000Z",
		"feedback_ann_1746515289000 ann feature processed ann@example.org 2025-05-06T07:08:09.000Z",
	} {
		e := page.Entries[i]
		id := e.ID
		if strings.HasPrefix(id, "f-") {
			id = "f- "
		}
		if got := fmt.Sprint(id, " ", e.Owner, " ", e.Category, " ", e.Status, " ", e.Email, " ", e.CreatedAt); i > 0 && got != want {
			t.Errorf("%d is %s, want %s", i, got, want)
		}
	}
	if got := contents(t, box, feedback.Filter{Owner: "ann"}, 20); !slices.Equal(got, []string{"of here", "third", "first bold"}) {
		t.Errorf("ann's are %q", got)
	}
	// A second import keeps the changes of the operator and adds new entries.
	_, err = box.Mark(t.Context(), "feedback_ann_1746515289000", feedback.Pending)
	must(t, err)
	_, err = box.Mark(t.Context(), page.Entries[1].ID, feedback.Processed)
	must(t, err)
	done, err = migrate.Feedback(t.Context(), box, entries(), feedbackOwners)
	must(t, err)
	if done.Imported != 0 || done.Kept != 4 {
		t.Errorf("the second import: %+v", done)
	}
	if got := contents(t, box, feedback.Filter{Status: feedback.Processed}, 20); !slices.Equal(got, []string{"fourth"}) {
		t.Errorf("processed are %q", got)
	}
	if got := contents(t, box, feedback.Filter{}, 20); !slices.Equal(got, all) {
		t.Errorf("the list is %q", got)
	}
}

// TestFeedbackSkips checks the reasons of skipped entries, which must not quote them.
func TestFeedbackSkips(t *testing.T) {
	t.Parallel()
	box, _ := openFeedback(t)
	long := strings.Repeat("界", feedback.MaxContent+1)
	for name, c := range map[string]struct {
		entry  fields
		reason string
	}{
		"another store":     {fields{"name": "canary", "value": "{}"}, "its key is not that of feedback"},
		"no user":           {fields{"name": "feedback_1", "value": "{}"}, "its key is not that of feedback"},
		"empty user":        {fields{"name": "feedback__1", "value": "{}"}, "its key is not that of feedback"},
		"no JSON":           {fields{"name": "feedback_ann_1", "value": "canary"}, "its value is not the JSON of feedback"},
		"null":              {fields{"name": "feedback_ann_1", "value": nil}, "its value is not the JSON of feedback"},
		"list":              {fields{"name": "feedback_ann_1", "value": []string{"canary"}}, "its value is not the JSON of feedback"},
		"list as content":   {one("ann", 1, fields{"content": []int{7}}), "it has no content"},
		"another user":      {one("ann", 1, fields{"userId": "bob"}), "its key and its value name different users"},
		"unknown":           {one("canary", 1, nil), "its user has no account here"},
		"no content":        {one("ann", 1, fields{"content": "<canary>"}), "it has no content"},
		"missing content":   {one("ann", 1, fields{"content": nil}), "it has no content"},
		"long":              {one("ann", 1, fields{"content": long}), "it is too long"},
		"long category":     {one("ann", 1, fields{"category": long}), "it is too long"},
		"long address":      {one("ann", 1, fields{"email": long}), "its email address is too long"},
		"no time":           {fields{"name": "feedback_ann_canary", "value": fields{"content": "x", "created_at": "canary"}}, "it has no time"},
		"time out of range": {fields{"name": "feedback_ann_99999999999999999999", "value": fields{"content": "x", "created_at": 1e300}}, "it has no time"},
		"before 1970":       {one("ann", -1, fields{"created_at": nil}), "it has no time"},
		"year of 5 digits":  {one("ann", 253402300800000, fields{"created_at": nil}), "it has no time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done, err := migrate.Feedback(t.Context(), box, export(t, c.entry), feedbackOwners)
			must(t, err)
			if done.Imported != 0 || len(done.Skipped) != 1 || done.Skipped[0] != (migrate.Skipped{Entry: 1, Reason: c.reason}) {
				t.Errorf("%+v, want %s", done, c.reason)
			}
		})
	}
}

func TestFeedbackOfMalformedExports(t *testing.T) {
	t.Parallel()
	box, _ := openFeedback(t)
	good := `[{"name":"feedback_ann_1","value":{"content":"canary"}}`
	for _, text := range []string{"", "{}", "null", "[", "[1]", `["canary"]`, `[{"name":1}]`, good, good + ",7]"} {
		if _, err := migrate.Feedback(t.Context(), box, strings.NewReader(text), feedbackOwners); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if got := contents(t, box, feedback.Filter{}, 20); len(got) != 0 {
		t.Errorf("imported: %q", got)
	}
}

func FuzzFeedback(f *testing.F) {
	box, _ := openFeedback(f)
	f.Add(`[{"name":"feedback_ann_1","value":"{\"content\":\"a\",\"created_at\":5}"}]`)
	f.Add(`[{"key":"feedback_ann_9999999999999","value":{"content":"a","userId":"ann","status":"processed"}}]`)
	f.Add(`[{}]`)
	f.Fuzz(func(t *testing.T, text string) {
		done, err := migrate.Feedback(t.Context(), box, strings.NewReader(text), feedbackOwners)
		if err != nil && done != nil && done.Imported > 0 {
			t.Errorf("a part of a malformed export was imported: %v", err)
		}
		page, err := box.List(t.Context(), feedback.Filter{}, feedback.Place{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			if e.Content != feedback.Clean(e.Content) || e.Owner == "" {
				t.Errorf("imported %+v", e)
			}
		}
	})
}

// TestSkippedIsBounded skips more entries than are listed.
func TestSkippedIsBounded(t *testing.T) {
	t.Parallel()
	box, _ := openFeedback(t)
	const named, more = 10_000, 7
	done, err := migrate.Feedback(t.Context(), box, strings.NewReader("["+strings.Repeat(`{},`, named+more-1)+"{}]"), feedbackOwners)
	if err != nil || len(done.Skipped) != named || done.Unnamed != more {
		t.Errorf("%v, %d are listed and %d are not", err, len(done.Skipped), done.Unnamed)
	}
}

// contents reads a whole list, page by page.
func contents(t testing.TB, box *feedback.Box, f feedback.Filter, limit int) (list []string) {
	t.Helper()
	for at := (&feedback.Place{}); at != nil; {
		page, err := box.List(t.Context(), f, *at, limit)
		must(t, err)
		for _, e := range page.Entries {
			list = append(list, e.Content)
		}
		at = page.Next
	}
	return list
}
