package job_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func name(v any) string { return fmt.Sprint(v) }

// readable checks that a fault has a complete sentence in every language.
func readable(t *testing.T, fault job.FieldError) {
	t.Helper()
	for _, lang := range job.Langs() {
		s := fault.Sentence(lang)
		if s == fault.Code || s == "" || strings.ContainsAny(s, "{}") {
			t.Errorf("%s in %s: %q", fault.Code, lang, s)
		}
	}
	if want := fault.Pointer + ": " + fault.Sentence(job.English); fault.Error() != want {
		t.Errorf("Error() = %q, want %q", fault.Error(), want)
	}
}

func isChinese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

// TestFieldSentences checks that all sentences exist in both languages and have the same placeholders.
func TestFieldSentences(t *testing.T) {
	t.Parallel()
	gap := regexp.MustCompile(`\{[a-z]+\}`)
	for _, code := range job.FieldCodes() {
		en, zh := job.FieldTemplate(code, job.English), job.FieldTemplate(code, job.Chinese)
		if en == code || isChinese(en) || !isChinese(zh) {
			t.Errorf("%s: %q, %q", code, en, zh)
		}
		left, right := gap.FindAllString(en, -1), gap.FindAllString(zh, -1)
		slices.Sort(left)
		slices.Sort(right)
		if !slices.Equal(left, right) {
			t.Errorf("%s: placeholders %v and %v", code, left, right)
		}
		args := map[string]string{}
		for _, g := range left {
			args[strings.Trim(g, "{}")] = "7"
		}
		readable(t, job.FieldError{Pointer: "/x", Code: code, Args: args})
	}
	if got := (job.FieldError{Code: "forgotten"}).Sentence(job.Chinese); got != "forgotten" {
		t.Errorf("an unknown code reads %q", got)
	}
	if got := job.FieldTemplate("required", "fr"); got != job.FieldTemplate("required", job.English) {
		t.Errorf("an unknown language reads %q", got)
	}
}

func TestFailureSentences(t *testing.T) {
	t.Parallel()
	codes := job.FailureCodes()
	// Listed here so that no sentence can be removed unnoticed.
	for _, code := range []string{
		job.CodeDeadline, job.CodeWorkerLost, job.CodeInternal, job.CodeInvalidJob, job.CodeUnavailable, job.CodeTimeout,
		job.CodeThrottled, job.CodeRejected, job.CodeInvalidAnswer, job.CodeTooLarge, job.CodeModerated,
		job.CodeMisconfigured, job.CodeCanceledByUser, job.CodeUnusable, job.CodeReference,
	} {
		if !slices.Contains(codes, code) {
			t.Errorf("%s has no sentence", code)
		}
	}
	retryable := map[string]bool{
		job.CodeInvalidJob: false, job.CodeRejected: false, job.CodeTooLarge: false, job.CodeModerated: false,
		job.CodeUnusable: false, job.CodeReference: false,
	}
	for _, code := range codes {
		en, zh := job.FailureSentence(code, job.English), job.FailureSentence(code, job.Chinese)
		if en == code || isChinese(en) || !strings.HasSuffix(en, ".") || !isChinese(zh) || strings.ContainsAny(en+zh, "{}") {
			t.Errorf("%s: %q, %q", code, en, zh)
		}
		e := job.NewError(code, 502)
		want, listed := retryable[code]
		if e.Code != code || e.Message != en || e.UpstreamStatus != 502 || e.Retryable != (want || !listed) {
			t.Errorf("NewError(%s) = %+v", code, e)
		}
	}
	if e := job.NewError("forgotten", 0); e.Message != "forgotten" || e.Retryable {
		t.Errorf("an unknown code: %+v", e)
	}
}

func TestBecause(t *testing.T) {
	t.Parallel()
	late := job.NewError(job.CodeDeadline, 0)
	for name, last := range map[string]*job.Error{"nothing": nil, "itself": job.NewError(job.CodeDeadline, 504)} {
		if e := late.Because(last); *e != *late {
			t.Errorf("because of %s: %+v", name, e)
		}
	}
	for _, cause := range job.FailureCodes() {
		if cause == job.CodeDeadline {
			continue
		}
		e := late.Because(job.NewError(cause, 429))
		if e.Code != job.CodeDeadline || e.Cause != cause || e.UpstreamStatus != 429 || !e.Retryable || e.Message != e.Sentence(job.English) {
			t.Errorf("because of %s: %+v", cause, e)
		}
		for lang, between := range map[job.Lang]string{job.English: " ", job.Chinese: ""} {
			want := job.FailureSentence(job.CodeDeadline, lang) + between + job.FailureSentence(cause, lang)
			if got := e.Sentence(lang); got != want {
				t.Errorf("because of %s, %s: %q, want %q", cause, lang, got, want)
			}
		}
	}
	if late.Cause != "" || late.Message != job.FailureSentence(job.CodeDeadline, job.English) {
		t.Errorf("the original error has changed: %+v", late)
	}
	// A newer version may have more causes.
	if e := late.Because(&job.Error{Code: "upstream_asleep"}); e.Cause != "upstream_asleep" || e.Message != late.Message {
		t.Errorf("an unknown cause: %+v", e)
	}
}
