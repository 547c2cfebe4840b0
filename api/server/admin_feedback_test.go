package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

// adminFeedback returns the operator's list.
func (b *bundle) adminFeedback(t testing.TB, query url.Values) feedbackList {
	t.Helper()
	var list feedbackList
	b.admin(t, http.MethodGet, "/feedback?"+query.Encode(), nil).expect(t, http.StatusOK).decode(t, &list)
	if !list.Success || list.Count != len(list.Feedbacks) || list.Stats == nil {
		t.Errorf("the list %+v", list)
	}
	return list
}

func TestAdminFeedback(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	ann, bob := b.signUp(t, annEmail), b.signUp(t, "bob@example.org")
	if list := b.adminFeedback(t, nil); list.Feedbacks == nil || list.Stats.Total != 0 {
		t.Errorf("initially %+v", list)
	}
	yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)
	at := func(i int) time.Time { return yesterday.Add(time.Duration(i) * feedback.Every) }
	var ids []string
	for i := range 8 {
		ids = append(ids, b.storeFeedback(t, []*session{ann, bob}[i%2], at(i), []string{"bug", "表扬"}[i%2], fmt.Sprint(i)))
	}
	now := b.storeFeedback(t, ann, time.Now(), "bug", "now")
	for _, i := range []int{0, 1, 5} {
		var marked feedbackView
		b.admin(t, http.MethodPost, "/feedback/"+ids[i]+"/processed", nil).expect(t, http.StatusOK).decode(t, &marked)
		if marked.ID != ids[i] || marked.Status != "processed" || marked.Content != fmt.Sprint(i) {
			t.Errorf("marked %+v", marked)
		}
	}
	b.admin(t, http.MethodPost, "/feedback/"+ids[1]+"/pending", nil).expect(t, http.StatusOK)
	list := b.adminFeedback(t, nil)
	if *list.Stats != (struct{ Total, Pending, Processed, Today int }{9, 7, 2, 1}) || list.Count != 9 || list.Next != "" {
		t.Errorf("the list is %+v, %+v", list, list.Stats)
	}
	if first := list.Feedbacks[0]; first.ID != now || first.UserID != ann.User.ID || first.Email != annEmail || first.Category != "bug" || first.Status != "pending" {
		t.Errorf("the newest is %+v", first)
	}
	between := "from=" + rfc3339(at(2)) + "&to=" + rfc3339(at(4))
	for query, want := range map[string]string{
		"":                            "now 7 6 5 4 3 2 1 0",
		"category=all&status=all":     "now 7 6 5 4 3 2 1 0",
		"status=pending,processed":    "now 7 6 5 4 3 2 1 0",
		"category=bug":                "now 6 4 2 0",
		"category=%E8%A1%A8%E6%89%AC": "7 5 3 1",
		"category=unheard-of":         "",
		"status=processed":            "5 0",
		"status=pending&category=bug": "now 6 4 2",
		"from=" + rfc3339(at(5)):      "now 7 6 5",
		"to=" + rfc3339(at(2)):        "2 1 0",
		between:                       "4 3 2",
		"_=1700000000":                "now 7 6 5 4 3 2 1 0",
	} {
		values, err := url.ParseQuery(query)
		must(t, err)
		for _, limit := range []string{"1", "4", "100"} {
			values.Set("limit", limit)
			values.Del("cursor")
			var got []string
			for {
				page := b.adminFeedback(t, values)
				for _, f := range page.Feedbacks {
					got = append(got, f.Content)
				}
				if page.Next == "" {
					break
				}
				values.Set("cursor", page.Next)
			}
			if !slices.Equal(got, strings.Fields(want)) {
				t.Errorf("%s, %s each: %v, want %s", query, limit, got, want)
			}
		}
	}
	for query, code := range map[string]string{
		"limit=0": "invalid_request", "limit=101": "invalid_request", "status=odd": "invalid_request", "from=yesterday": "invalid_request",
		"to=2026-01-01": "invalid_request", "category=" + strings.Repeat("x", 51): "invalid_request", "cursor=x": "invalid_cursor",
		"cursor=" + server.EncodeSequences("l1", 0, 1): "invalid_cursor", "cursor=" + server.EncodeSequences("f1", 2, 1): "invalid_cursor",
		"cursor=" + server.EncodeSequences("f1", 1<<63, 1): "invalid_cursor",
	} {
		b.admin(t, http.MethodGet, "/feedback?"+query, nil).accountError(t, http.StatusBadRequest, code)
	}
	for _, id := range []string{"unknown", "a.b", "*", "%3E", strings.Repeat("x", 65)} {
		b.admin(t, http.MethodPost, "/feedback/"+id+"/processed", nil).problem(t, http.StatusNotFound, "not_found")
		b.admin(t, http.MethodPost, "/feedback/"+id+"/pending", nil).problem(t, http.StatusNotFound, "not_found")
		b.admin(t, http.MethodDelete, "/feedback/"+id, nil).problem(t, http.StatusNotFound, "not_found")
	}
	if list := b.myFeedback(t, bearer(ann.Token)); list.Count != 5 || list.Feedbacks[4].Status != "processed" || list.Feedbacks[3].Status != "pending" {
		t.Errorf("Ann reads %+v", list)
	}
	b.admin(t, http.MethodDelete, "/feedback/"+ids[0], nil).expect(t, http.StatusNoContent)
	b.admin(t, http.MethodDelete, "/feedback/"+ids[0], nil).problem(t, http.StatusNotFound, "not_found")
	if got := *b.adminFeedback(t, nil).Stats; got.Total != 8 || got.Processed != 1 {
		t.Errorf("after a deletion %+v", got)
	}
	actions := map[string]int{}
	for _, action := range b.operatorActions(t) {
		actions[fmt.Sprint(action["act"], " ", action["outcome"])]++
	}
	if actions["mark feedback done"] != 4 || actions["delete feedback done"] != 1 || actions["list feedback done"] == 0 {
		t.Errorf("actions %v", actions)
	}
}

func rfc3339(t time.Time) string { return t.Format(time.RFC3339) }

// TestAdminFeedbackKey reads the list with valid and invalid keys in the query and in headers.
func TestAdminFeedbackKey(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	const list = "/api/admin/feedback"
	for _, path := range []string{list, list + "?admin_key=", list + "?category=bug"} {
		b.get(t, path).accountError(t, http.StatusForbidden, "admin_key_required")
	}
	b.get(t, list+"?admin_key="+adminKey+"x").accountError(t, http.StatusForbidden, "admin_key_required")
	b.get(t, list, header("X-Admin-Key", "wrong")).accountError(t, http.StatusForbidden, "admin_key_required")
	for name, resp := range map[string]*reply{
		"query":  b.get(t, list+"?admin_key="+adminKey),
		"head":   b.head(t, list+"?admin_key="+adminKey),
		"bearer": b.get(t, list, bearer(adminKey)),
		"header": b.get(t, list, header("X-Admin-Key", adminKey)),
	} {
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %v", name, resp.StatusCode, resp.Header)
		}
	}
	// A key in the query is accepted for this list only.
	for _, route := range []string{"POST /feedback/x/processed", "POST /feedback/x/pending", "DELETE /feedback/x", "GET /dead-letters", "GET /control"} {
		method, path, _ := strings.Cut(route, " ")
		b.request(t, method, "/api/admin"+path+"?admin_key="+adminKey, nil).problem(t, http.StatusUnauthorized, "admin_key_required")
		b.request(t, method, "/api/admin"+path+"?admin_key="+adminKey, nil, header("X-Admin-Key", "wrong")).problem(t, http.StatusUnauthorized, "admin_key_required")
	}
	// A query with two keys is rejected.
	b.get(t, list+"?admin_key=guess&admin_key="+adminKey).accountError(t, http.StatusForbidden, "admin_key_required")
	// Guesses in the query are limited too.
	for range 20 {
		if resp := b.get(t, list+"?admin_key=guess"); resp.StatusCode == http.StatusTooManyRequests {
			off := setup(t)
			off.get(t, list+"?admin_key=").accountError(t, http.StatusForbidden, "admin_disabled")
			return
		}
	}
	t.Error("guesses are not limited")
}

// TestFeedbackIsNotLogged sends canaries in every field and looks for them in the debug log, the metrics and error
// responses.
func TestFeedbackIsNotLogged(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	ann := b.signUp(t, annEmail)
	who := bearer(ann.Token)
	var bodies strings.Builder
	for _, resp := range []*reply{
		b.sendFeedback(t, who, "canary", strings.Repeat("canary", 1000)), b.sendFeedback(t, who, "canary", "canary content"), b.sendFeedback(t, who, "canary", "canary again"),
		b.post(t, "/api/feedback?canary=1", `{"content":"canary`, who),
		b.get(t, "/api/admin/feedback?admin_key=canary-key"),
		b.get(t, "/api/admin/feedback?category=canary&cursor=canary&admin_key="+adminKey),
		b.admin(t, http.MethodPost, "/feedback/canary/processed", nil), b.admin(t, http.MethodDelete, "/feedback/canary", nil),
	} {
		bodies.Write(resp.body)
	}
	list := b.adminFeedback(t, nil)
	if list.Count != 1 {
		t.Fatalf("the list is %+v", list)
	}
	b.admin(t, http.MethodPost, "/feedback/"+list.Feedbacks[0].ID+"/processed", nil).expect(t, http.StatusOK)
	b.admin(t, http.MethodDelete, "/feedback/"+list.Feedbacks[0].ID, nil).expect(t, http.StatusNoContent)
	b.auth(t, "delete-account", fields{"password": annPassword}, who).expect(t, http.StatusOK)
	families, err := b.metrics.Registry.Gather()
	must(t, err)
	for _, secret := range []string{"canary", annEmail, adminKey, ann.User.ID, ann.Token} {
		for where, text := range map[string]string{"log": b.log.String(), "metrics": fmt.Sprint(families), "error responses": bodies.String()} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%q is in the %s", secret, where)
			}
		}
	}
}
