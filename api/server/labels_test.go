package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// labeled is the view of a job with labels.
type labeled struct {
	ID       string            `json:"id"`
	Metadata map[string]string `json:"metadata"`
	Tags     []string          `json:"tags"`
}

func TestLabelsOfJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	body := func(labels string) string { return `{"kind":"prompt","input":{"text":"a fox"}` + labels + `}` }
	const labels = `,"metadata":{"order":"12","a/b":"春"},"tags":["spring","campaign 7"]`
	check := func(name string, got labeled) {
		t.Helper()
		if len(got.Metadata) != 2 || got.Metadata["order"] != "12" || got.Metadata["a/b"] != "春" || !slices.Equal(got.Tags, []string{"spring", "campaign 7"}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	decode := func(r *reply, status int) (l labeled) {
		t.Helper()
		r.expect(t, status).decode(t, &l)
		return l
	}
	submitted := decode(b.submit(t, body(labels), cookie(c), header("Idempotency-Key", "k1")), http.StatusAccepted)
	check("submitted", submitted)
	check("read", decode(b.get(t, "/api/jobs/"+submitted.ID, cookie(c)), http.StatusOK))
	again := decode(b.submit(t, body(labels), cookie(c), header("Idempotency-Key", "k1")), http.StatusAccepted)
	if again.ID != submitted.ID {
		t.Errorf("repeated as %s, want %s", again.ID, submitted.ID)
	}
	b.submit(t, body(`,"tags":["spring"]`), cookie(c), header("Idempotency-Key", "k1")).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	plain := decode(b.submit(t, body(`,"metadata":{},"tags":[]`), cookie(c), header("Idempotency-Key", "k2")), http.StatusAccepted)
	if plain.Metadata != nil || plain.Tags != nil {
		t.Errorf("without labels: %+v", plain)
	}
	if l := b.list(t, "?tag=campaign+7&tag=spring", c); !slices.Equal(jobIDs(l), []string{submitted.ID}) {
		t.Errorf("listed %v", jobIDs(l))
	}
	check("canceled", decode(b.post(t, "/api/jobs/"+submitted.ID+"/cancel", "", cookie(c)), http.StatusOK))
	check("retried", decode(b.post(t, "/api/jobs/"+submitted.ID+"/retry", "", cookie(c)), http.StatusAccepted))

	for labels, want := range map[string][]string{
		`,"metadata":[]`:                {"/metadata wrong_type"},
		`,"metadata":{"a":1,"b":null}`:  {"/metadata/a wrong_type", "/metadata/b wrong_type"},
		`,"metadata":{"a":"1","a":"2"}`: {"/metadata/a duplicate_field"},
		`,"metadata":{"a/~b":"\u0000"}`: {"/metadata/a~1~0b control_character"},
		`,"tags":"spring"`:              {"/tags wrong_type"},
		`,"tags":["a",7,"a"]`:           {"/tags/1 wrong_type", "/tags/2 duplicate_field"},
		`,"tags":["` + strings.Repeat("x", 65) + `"],"metadata":{"":""}`: {"/metadata/ required", "/tags/0 too_long"},
	} {
		f := b.submit(t, body(labels), cookie(c)).problem(t, http.StatusBadRequest, "invalid_request")
		if got := f.Errors.list(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", labels, got, want)
		}
	}
}
