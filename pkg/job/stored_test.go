package job_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// stored is a stored value.
type stored interface{ Encode() ([]byte, error) }

// shape is a stored value with its decoder.
type shape struct {
	value  stored
	decode func([]byte) (any, error)
}

func decoder[T any](decode func([]byte) (*T, error)) func([]byte) (any, error) {
	return func(b []byte) (any, error) {
		v, err := decode(b)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

func decoders() map[string]func([]byte) (any, error) {
	return map[string]func([]byte) (any, error){
		"spec":     decoder(job.DecodeSpec),
		"deadline": decoder(decodeDeadline),
		"progress": decoder(job.DecodeProgress),
		"record":   decoder(job.DecodeRecord),
		"dead":     decoder(job.DecodeDeadLetter),
	}
}

// decodeDeadline decodes the deadline and the whole job and checks that both agree.
func decodeDeadline(b []byte) (*job.Spec, error) {
	deadline, err := job.DecodeDeadline(b)
	if err != nil {
		return nil, err
	}
	spec, err := job.DecodeSpec(b)
	if err == nil && !spec.Deadline.Equal(deadline.Time) {
		panic("two deadlines of one job")
	}
	return spec, err
}

// shapes returns all stored shapes, with all fields set.
func shapes() map[string]shape {
	spec, progress := decoder(job.DecodeSpec), decoder(job.DecodeProgress)
	record, dead := decoder(job.DecodeRecord), decoder(job.DecodeDeadLetter)
	retried := textSpec(job.KindPrompt)
	retried.RetriedFrom, retried.Lane, retried.Owner = "0195600a-1111-7222-8333-444455550000", job.LaneGuest, job.OwnerAnonymous
	charged := specOf(job.KindImage, &job.ImageInput{Prompt: "p", N: ptr(3)})
	charged.Charge = &job.Charge{Who: "w-1", Day: job.DayOf(moment()), Units: charged.Units()}
	atAddress := specOf(job.KindImage, &job.ImageInput{Prompt: "p", N: ptr(3)})
	atAddress.Charge = &job.Charge{Who: "w-1", Address: "a-1", Day: job.DayOf(moment()), Units: atAddress.Units()}
	hooked := textSpec(job.KindTranslation)
	hooked.Webhook = &job.Webhook{URL: "https://hooks.example.org/a?b=c", Events: job.Events(), Default: true}
	labeled := textSpec(job.KindPrompt)
	labeled.Labels = job.Labels{Metadata: map[string]string{"order": "12", "": "<&>"}, Tags: []string{"spring", "campaign 7"}}
	// Encoding a spec changes it, so a spec of two shapes is made twice.
	referring := func() *job.Spec {
		s := specOf(job.KindImage, &job.ImageInput{Prompt: "p", ReferenceImages: []string{"https://pictures.example/a.png", "upload:u"}})
		s.References = []job.ReferenceImage{{Index: 1, ContentType: "image/png", Bytes: 7, SHA256: strings.Repeat("0a", 32), ChunkBytes: 524288}}
		return s
	}
	shared := func() *job.Spec {
		s := audioSpec()
		s.CacheKey = "k-1"
		s.DeferredCharge = &job.Charge{Who: "w", Day: "20260304", Units: 1}
		return s
	}
	counts := job.Counts{Failures: 2, Throttles: 3, Crashes: 1}
	started, finished := job.AtPtr(moment().Add(time.Second)), job.At(moment().Add(time.Minute))
	return map[string]shape{
		"spec_image.json":          {imageSpec(), spec},
		"spec_image_least.json":    {specOf(job.KindImage, &job.ImageInput{Prompt: "p"}), spec},
		"spec_image_charged.json":  {charged, spec},
		"spec_image_address.json":  {atAddress, spec},
		"spec_audio.json":          {audioSpec(), spec},
		"spec_prompt_retried.json": {retried, spec},
		"spec_translation.json":    {textSpec(job.KindTranslation), spec},
		"spec_webhook.json":        {hooked, spec},
		"spec_labels.json":         {labeled, spec},
		"spec_references.json":     {referring(), spec},
		"spec_cache.json":          {shared(), spec},
		"progress_identical.json": {&job.Progress{
			ID: "j", Status: job.StatusQueued, Delivery: 1, Step: 1, WaitingFor: job.ReasonIdentical, Worker: "w1",
		}, progress},
		"record_cached.json": {&job.Record{
			Status: job.StatusSucceeded, Spec: accepted(shared()), FinishedAt: finished, Cached: true,
			Result: &job.Result{Media: []job.Media{{ContentType: "audio/mpeg", Bytes: 123, SHA256: "abc", Model: "elevenlabs"}}},
		}, record},
		"dead_references.json": {&job.DeadLetter{
			Spec: accepted(referring()), Attempt: 8, FailedAt: finished, Error: job.NewError(job.CodeUnavailable, 502),
		}, dead},
		"progress_running.json": {&job.Progress{
			ID: "j", Status: job.StatusRunning, Stage: job.StageGenerating, Delivery: 2, Step: 3, Attempt: 3, Counts: counts,
			StartedAt: started, Percent: ptr(40), Optimized: "a red fox", Worker: "w1",
			Media: []job.Media{{Index: 1, ContentType: "image/png", Bytes: 123, SHA256: "abc", Width: 512, Height: 768, Seed: ptr(int64(8))}},
		}, progress},
		"progress_retrying.json": {&job.Progress{
			ID: "j", Status: job.StatusRetrying, Delivery: 2, Step: 4, Attempt: 3, Counts: counts, StartedAt: started,
			NextAttemptAt: job.AtPtr(moment().Add(2 * time.Second)), WaitingFor: "pollinations-image",
			LastError: job.NewError(job.CodeThrottled, 429),
		}, progress},
		"record_succeeded.json": {&job.Record{
			Status: job.StatusSucceeded, Spec: accepted(imageSpec()), Attempt: 3, Counts: counts, StartedAt: started, FinishedAt: finished,
			Result: &job.Result{
				Media: []job.Media{{
					Index: 0, ContentType: "image/png", Bytes: 123, SHA256: "abc", Width: 512, Height: 768, Seed: ptr(int64(7)),
					Model: "flux",
				}},
				Prompt:  &job.PromptPair{Original: "a fox", Optimized: "a red fox"},
				Missing: []job.Missing{{Index: 1, Error: *job.NewError(job.CodeModerated, 400)}},
			},
		}, record},
		"record_succeeded_text.json": {&job.Record{
			Status: job.StatusSucceeded, Spec: accepted(textSpec(job.KindTranslation)), Attempt: 1, StartedAt: started,
			FinishedAt: finished, Result: &job.Result{Text: "狐狸"},
		}, record},
		"record_failed.json": {&job.Record{
			Status: job.StatusFailed, Spec: accepted(audioSpec()), Attempt: 8, Counts: counts, StartedAt: started, FinishedAt: finished,
			Error: job.NewError(job.CodeUnavailable, 502),
		}, record},
		"record_expired.json": {&job.Record{
			Status: job.StatusFailed, Spec: accepted(audioSpec()), Attempt: 3, Counts: counts, StartedAt: started, FinishedAt: finished,
			Error: job.NewError(job.CodeDeadline, 0).Because(job.NewError(job.CodeThrottled, 429)),
		}, record},
		"record_canceled.json": {&job.Record{
			Status: job.StatusCanceled, Spec: accepted(textSpec(job.KindPrompt)), FinishedAt: finished, Cancel: job.CancelBeforeStart,
		}, record},
		"dead_letter.json": {&job.DeadLetter{
			Spec: accepted(audioSpec()), Attempt: 8, FailedAt: finished, Error: job.NewError(job.CodeUnavailable, 502),
			Detail: "upstream said no", Counts: counts,
		}, dead},
	}
}

func TestStoredShapes(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := s.value.Encode()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, data)
			back, err := s.decode(data)
			if err != nil {
				t.Fatalf("decode: %v", err)
			}
			// Encoding has set the version in the value too, so both are comparable.
			if !equalStored(t, back, s.value) {
				t.Errorf("decoded %#v, want %#v", back, s.value)
			}
		})
	}
}

// equalStored compares the stored forms and the types of the inputs, which these do not include.
func equalStored(t *testing.T, a any, b stored) bool {
	t.Helper()
	left, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	right, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	same := string(left) == string(right)
	if spec, ok := a.(*job.Spec); ok {
		same = same && reflect.DeepEqual(spec, b)
	}
	return same
}

func TestDecodersRefuse(t *testing.T) {
	t.Parallel()
	inputs := map[string]string{
		"nothing":           "",
		"null":              "null",
		"garbage":           "\x00\x01 not JSON",
		"an array":          `[{"v":1}]`,
		"a string":          `"v"`,
		"truncated":         `{"v":1,"id":"x"`,
		"no version":        `{}`,
		"version zero":      `{"v":0}`,
		"negative version":  `{"v":-1}`,
		"version as text":   `{"v":"1"}`,
		"version as number": `{"v":1.5}`,
		"wrong types":       `{"v":1,"id":7,"spec":7,"kind":7,"status":7,"error":7}`,
	}
	for shape, decode := range decoders() {
		for name, in := range inputs {
			t.Run(shape+"/"+name, func(t *testing.T) {
				t.Parallel()
				v, err := decode([]byte(in))
				if err == nil {
					t.Fatalf("accepted as %#v", v)
				}
				if errors.Is(err, job.ErrNewer) {
					t.Errorf("reported as a newer version: %v", err)
				}
			})
		}
	}
}

// A value of a newer version may have any form; only its version is decoded.
func TestDecodersLeaveNewerValues(t *testing.T) {
	t.Parallel()
	for shape, decode := range decoders() {
		for _, in := range []string{`{"v":3}`, `{"v":3,"id":["other"],"spec":7,"kind":{},"status":0,"input":3}`, `{"x":1,"v":17}`} {
			if _, err := decode([]byte(in)); !errors.Is(err, job.ErrNewer) {
				t.Errorf("%s: decode %s = %v, want ErrNewer", shape, in, err)
			}
		}
	}
	for name, s := range shapes() {
		data, err := s.value.Encode()
		if err != nil {
			t.Fatal(err)
		}
		newer := regexp.MustCompile(`"v":[12]`).ReplaceAllString(string(data), `"v":3`)
		if _, err := s.decode([]byte(newer)); !errors.Is(err, job.ErrNewer) {
			t.Errorf("%s with version 3: %v, want ErrNewer", name, err)
		}
	}
}

func TestDecodersRefuseIncompleteValues(t *testing.T) {
	t.Parallel()
	data, err := imageSpec().Encode()
	if err != nil {
		t.Fatal(err)
	}
	spec := string(data)
	input := spec[strings.Index(spec, `"input":`):strings.Index(spec, `,"created_at"`)]
	replace := func(old, replacement string) string {
		t.Helper()
		if !strings.Contains(spec, old) {
			t.Fatalf("no %s in %s", old, spec)
		}
		return strings.Replace(spec, old, replacement, 1)
	}
	for name, in := range map[string]string{
		"no id":           replace(`"id":"0195600a-1111-7222-8333-444455556666",`, ""),
		"id with a dot":   replace(`"id":"0195600a-`, `"id":"0195600a.`),
		"owner with star": replace(`"owner":"u-1"`, `"owner":"*"`),
		"no owner":        replace(`"owner":"u-1",`, ""),
		"unknown kind":    replace(`"kind":"image"`, `"kind":"video"`),
		"no kind":         replace(`"kind":"image",`, ""),
		"unknown lane":    replace(`"lane":"member"`, `"lane":"vip"`),
		"no input":        replace(input+",", ""),
		"null input":      replace(input, `"input":null`),
		"input of text":   replace(input, `"input":"a fox"`),
		"bad time":        replace(`"created_at":"2026-03-04T05:06:07.089Z"`, `"created_at":"yesterday"`),
	} {
		if got, err := job.DecodeSpec([]byte(in)); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
	for name, in := range map[string]string{
		"no spec":        `{"v":1,"status":"failed","finished_at":"2026-03-04T05:06:07.089Z"}`,
		"not terminal":   `{"v":1,"status":"running","spec":` + spec + `,"finished_at":"2026-03-04T05:06:07.089Z"}`,
		"unknown status": `{"v":1,"status":"done","spec":` + spec + `,"finished_at":"2026-03-04T05:06:07.089Z"}`,
	} {
		if _, err := job.DecodeRecord([]byte(in)); err == nil {
			t.Errorf("record with %s was accepted", name)
		}
	}
	for name, in := range map[string]string{
		"no spec":  `{"v":1,"error":{"code":"x"}}`,
		"no error": `{"v":1,"spec":` + spec + `}`,
	} {
		if _, err := job.DecodeDeadLetter([]byte(in)); err == nil {
			t.Errorf("dead letter with %s was accepted", name)
		}
	}
}

// An older program of the same version may have written fields that no longer exist.
func TestDecodersTolerateUnknownFields(t *testing.T) {
	t.Parallel()
	for name, s := range shapes() {
		data, err := s.value.Encode()
		if err != nil {
			t.Fatal(err)
		}
		more := `{"some_field":{"a":[1]},` + strings.Replace(string(data[1:]), `"input":{`, `"input":{"some_option":1,`, 1)
		if _, err := s.decode([]byte(more)); err != nil {
			t.Errorf("%s with an unknown field: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range shapes() {
		data, err := s.value.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"v":3}`))
	f.Add([]byte(`{"v":1,"kind":"image","input":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for shape, decode := range decoders() {
			v, err := decode(data)
			if err != nil {
				continue
			}
			again, err := v.(stored).Encode()
			if err != nil {
				t.Fatalf("%s: encode what was decoded: %v", shape, err)
			}
			if _, err := decode(again); err != nil {
				t.Fatalf("%s: decode %s again: %v", shape, again, err)
			}
		}
	})
}
