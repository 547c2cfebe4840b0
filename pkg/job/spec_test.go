package job_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func fingerprint(t *testing.T, kind job.Kind, body string, deadline *int) string {
	t.Helper()
	in, err := job.NewInput(kind)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(body), in); err != nil {
		t.Fatal(err)
	}
	sum, err := job.Fingerprint(kind, in, deadline)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestFingerprintIgnoresOrderAndSpacing(t *testing.T) {
	t.Parallel()
	want := fingerprint(t, job.KindImage, `{"prompt":"a <fox>","seed":1,"width":512}`, nil)
	if len(want) != 64 {
		t.Errorf("fingerprint %q is not a SHA-256", want)
	}
	for _, body := range []string{
		`{"width":512,"seed":1,"prompt":"a <fox>"}`,
		"{\n  \"seed\" : 1,\n  \"prompt\" : \"a <fox>\",\n  \"width\" : 512\n}",
		`{"prompt":"a \u003cfox\u003e","seed":1,"width":512,"optimize":false}`,
	} {
		if got := fingerprint(t, job.KindImage, body, nil); got != want {
			t.Errorf("%s has another fingerprint", body)
		}
	}
}

func TestFingerprintDiffersOnEveryField(t *testing.T) {
	t.Parallel()
	hour := 3600
	type request struct {
		kind     job.Kind
		body     string
		deadline *int
	}
	seen := map[string]request{}
	for _, r := range []request{
		{job.KindImage, `{"prompt":"a"}`, nil},
		{job.KindImage, `{"prompt":"a"}`, &hour},
		{job.KindImage, `{"prompt":"a"}`, ptr(3601)},
		{job.KindImage, `{"prompt":"b"}`, nil},
		{job.KindImage, `{"prompt":"a "}`, nil},
		{job.KindImage, `{"prompt":"a","negative":"b"}`, nil},
		{job.KindImage, `{"prompt":"a","model":"b"}`, nil},
		{job.KindImage, `{"prompt":"a","width":64}`, nil},
		{job.KindImage, `{"prompt":"a","height":64}`, nil},
		{job.KindImage, `{"prompt":"a","seed":0}`, nil},
		{job.KindImage, `{"prompt":"a","seed":-1}`, nil},
		{job.KindImage, `{"prompt":"a","n":1}`, nil},
		{job.KindImage, `{"prompt":"a","optimize":true}`, nil},
		{job.KindImage, `{"prompt":"a","quality":"hd"}`, nil},
		{job.KindImage, `{"prompt":"a","transparent":true}`, nil},
		{job.KindImage, `{"prompt":"a","nologo":false}`, nil},
		{job.KindImage, `{"prompt":"a","nologo":true}`, nil},
		{job.KindAudio, `{"text":"a"}`, nil},
		{job.KindAudio, `{"text":"a","voice":"b"}`, nil},
		{job.KindAudio, `{"text":"a","model":"b"}`, nil},
		{job.KindAudio, `{"text":"a","speed":1}`, nil},
		{job.KindAudio, `{"text":"a","format":"b"}`, nil},
		{job.KindPrompt, `{"text":"a"}`, nil},
		{job.KindTranslation, `{"text":"a"}`, nil},
	} {
		sum := fingerprint(t, r.kind, r.body, r.deadline)
		if other, ok := seen[sum]; ok {
			t.Errorf("%+v and %+v have the same fingerprint", r, other)
		}
		seen[sum] = r
	}
}

func TestSpecExpired(t *testing.T) {
	t.Parallel()
	spec := imageSpec()
	for shift, want := range map[time.Duration]bool{-time.Millisecond: false, 0: true, time.Millisecond: true} {
		if got := spec.Expired(spec.Deadline.Add(shift)); got != want {
			t.Errorf("%s after the deadline: expired %t", shift, got)
		}
	}
}

func TestNewInputOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, kind := range job.Kinds() {
		if in, err := job.NewInput(kind); err != nil || in == nil {
			t.Errorf("%s: %v, %v", kind, in, err)
		}
	}
	if in, err := job.NewInput("video"); err == nil {
		t.Errorf("input %v for an unknown kind", in)
	}
}
