package job_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ownFaults returns the codes that are the owner's responsibility.
func ownFaults() map[string]bool {
	return map[string]bool{job.CodeModerated: true, job.CodeRejected: true, job.CodeReference: true}
}

// chargedEnd returns the record of a charged job of four images.
func chargedEnd(status job.Status, e *job.Error) *job.Record {
	spec := imageSpec()
	spec.Input = &job.ImageInput{Prompt: "p", N: ptr(4)}
	spec.Charge = &job.Charge{Who: "w", Day: job.DayOf(moment()), Units: spec.Units()}
	return &job.Record{Status: status, Spec: spec, Attempt: 1, FinishedAt: job.At(moment().Add(time.Minute)), Error: e}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec *job.Spec
		want int
	}{
		{specOf(job.KindImage, &job.ImageInput{}), 1},
		{specOf(job.KindImage, &job.ImageInput{N: ptr(4)}), 4},
		{audioSpec(), 1},
		{textSpec(job.KindPrompt), 1},
		{textSpec(job.KindTranslation), 1},
	} {
		if got := c.spec.Units(); got != c.want {
			t.Errorf("%s: %d units, want %d", c.spec.Kind, got, c.want)
		}
	}
}

// TestGivesBack checks the refund of every end of a job.
func TestGivesBack(t *testing.T) {
	t.Parallel()
	for _, code := range job.FailureCodes() {
		own := ownFaults()[code]
		want := 4
		if own {
			want = 0
		}
		if got := chargedEnd(job.StatusFailed, job.NewError(code, 0)).GivesBack(); got != want {
			t.Errorf("failed with %s: %d refunded, want %d", code, got, want)
		}
		partial := chargedEnd(job.StatusSucceeded, nil)
		for i := range 3 {
			partial.Result = &job.Result{Missing: append(missing(partial), job.Missing{Index: i, Error: *job.NewError(code, 0)})}
		}
		if want = 3; own {
			want = 0
		}
		if got := partial.GivesBack(); got != want {
			t.Errorf("three missing with %s: %d refunded, want %d", code, got, want)
		}
	}
	short := func(change func(*job.Record)) *job.Record {
		r := chargedEnd(job.StatusFailed, job.NewError(job.CodeDeadline, 0))
		r.Spec.Deadline = job.At(r.Spec.CreatedAt.Add(time.Second))
		change(r)
		return r
	}
	canceled := func(kind job.CancelKind) *job.Record {
		r := chargedEnd(job.StatusCanceled, nil)
		r.Cancel = kind
		return r
	}
	cached := chargedEnd(job.StatusSucceeded, nil)
	cached.Cached = true
	for name, c := range map[string]struct {
		record *job.Record
		want   int
	}{
		"a copy":                      {cached, 4},
		"canceled while running":      {canceled(job.CancelWhileRunning), 0},
		"canceled before the start":   {canceled(job.CancelBeforeStart), 4},
		"succeeded":                   {chargedEnd(job.StatusSucceeded, nil), 0},
		"short deadline":              {short(func(*job.Record) {}), 0},
		"short deadline, not started": {short(func(r *job.Record) { r.Attempt = 0 }), 4},
		"short deadline, other cause": {short(func(r *job.Record) { r.Error.Cause = job.CodeThrottled }), 4},
		"on another day":              {short(func(r *job.Record) { r.Attempt, r.FinishedAt = 0, job.At(moment().Add(24*time.Hour)) }), 0},
		"not charged":                 {short(func(r *job.Record) { r.Attempt, r.Spec.Charge = 0, nil }), 0},
		"failed without an error":     {chargedEnd(job.StatusFailed, nil), 4},
	} {
		if got := c.record.GivesBack(); got != c.want {
			t.Errorf("%s: %d refunded, want %d", name, got, c.want)
		}
	}
}

func missing(r *job.Record) []job.Missing {
	if r.Result == nil {
		return nil
	}
	return r.Result.Missing
}

// TestOwes checks what the end of a job with a deferred charge is charged: what would not have been refunded.
func TestOwes(t *testing.T) {
	t.Parallel()
	deferred := func(change func(*job.Record)) *job.Record {
		r := chargedEnd(job.StatusSucceeded, nil)
		r.Spec.Charge, r.Spec.DeferredCharge = nil, r.Spec.Charge
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		change func(*job.Record)
		want   int
	}{
		"succeeded":               {func(*job.Record) {}, 4},
		"succeeded the day after": {func(r *job.Record) { r.FinishedAt = job.At(moment().Add(24 * time.Hour)) }, 4},
		"cached":                  {func(r *job.Record) { r.Cached = true }, 0},
		"no attempt":              {func(r *job.Record) { r.Attempt = 0 }, 0},
		"canceled before":         {func(r *job.Record) { r.Status, r.Cancel = job.StatusCanceled, job.CancelBeforeStart }, 0},
		"canceled while running":  {func(r *job.Record) { r.Status, r.Cancel = job.StatusCanceled, job.CancelWhileRunning }, 4},
		"failed":                  {func(r *job.Record) { r.Status, r.Error = job.StatusFailed, job.NewError(job.CodeUnavailable, 503) }, 0},
		"moderated":               {func(r *job.Record) { r.Status, r.Error = job.StatusFailed, job.NewError(job.CodeModerated, 400) }, 4},
		"one missing": {func(r *job.Record) {
			r.Result = &job.Result{Missing: []job.Missing{{Error: *job.NewError(job.CodeUnavailable, 503)}}}
		}, 3},
	} {
		r := deferred(c.change)
		if got := r.Owes(); got != c.want || r.GivesBack() != 0 {
			t.Errorf("%s: %d owed and %d refunded, want %d and 0", name, got, r.GivesBack(), c.want)
		}
	}
	if got := chargedEnd(job.StatusSucceeded, nil).Owes(); got != 0 {
		t.Errorf("a charged job owes %d", got)
	}
}

func TestDayOf(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("east", 8*60*60)
	if got := job.DayOf(time.Date(2026, time.March, 5, 7, 59, 59, 0, east)); got != "20260304" {
		t.Errorf("%s", got)
	}
}

// TestAgainIsNotCharged checks that a replayed job, which its owner did not request, has no charge.
func TestAgainIsNotCharged(t *testing.T) {
	t.Parallel()
	if again := chargedEnd(job.StatusFailed, nil).Spec.Again("other", moment()); again.Charge != nil {
		t.Errorf("charged: %+v", again.Charge)
	}
}
