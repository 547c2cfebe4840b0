package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	causes := processor.Causes()
	some := errors.New("some error")
	f := func(c fault.Class) error { return fmt.Errorf("call: %w", imageFault(c, "code-"+string(c))) }
	set := func(classes ...fault.Class) error {
		faults := make(map[int]*fault.Error)
		for i, c := range classes {
			faults[i] = imageFault(c, "code-"+string(c))
		}
		return &processor.SetError{Faults: faults}
	}
	const (
		succeed, fail, retry, wait, handBack, abandon = "succeed", "fail", "retry", "wait", "hand_back", "abandon"
	)
	for name, test := range map[string]struct {
		err, cause    error
		verdict, code string
	}{
		"success": {nil, nil, succeed, ""},
		// A result that was finished in time is kept even if the context has ended since.
		"success after all": {nil, causes["shutdown"], succeed, ""},

		"retryable":     {f(fault.Retryable), nil, retry, "code-retryable"},
		"throttled":     {f(fault.Throttled), nil, wait, "code-throttled"},
		"misconfigured": {f(fault.Misconfigured), nil, wait, "code-misconfigured"},
		"permanent":     {f(fault.Permanent), nil, fail, "code-permanent"},
		"moderated":     {f(fault.Moderated), nil, fail, "code-moderated"},
		"canceled":      {f(fault.Canceled), nil, retry, job.CodeInternal},
		"unknown class": {f("new"), nil, retry, job.CodeInternal},
		"any error":     {some, nil, retry, job.CodeInternal},
		"store":         {processor.StoreError(some), nil, wait, job.CodeInternal},

		"shutdown":               {f(fault.Canceled), causes["shutdown"], handBack, ""},
		"shutdown and retryable": {f(fault.Retryable), causes["shutdown"], handBack, ""},
		"lost":                   {some, causes["lost"], abandon, ""},
		"stale":                  {some, causes["stale"], abandon, ""},
		"ended":                  {f(fault.Canceled), causes["ended"], abandon, ""},
		"stopped":                {some, causes["stopped"], abandon, ""},
		"update says stale":      {fmt.Errorf("enter: %w", causes["stale"]), nil, abandon, ""},
		"update says ended":      {fmt.Errorf("enter: %w", causes["ended"]), nil, abandon, ""},
		"test says stop":         {fmt.Errorf("store: %w", causes["stopped"]), nil, abandon, ""},
		"deadline":               {f(fault.Retryable), causes["deadline"], fail, job.CodeDeadline},
		"deadline and canceled":  {f(fault.Canceled), causes["deadline"], fail, job.CodeDeadline},
		"time-out":               {context.DeadlineExceeded, causes["timeout"], retry, job.CodeTimeout},
		"time-out, canceled":     {f(fault.Canceled), causes["timeout"], retry, job.CodeTimeout},
		"time-out, classified":   {f(fault.Retryable), causes["timeout"], retry, "code-retryable"},
		"time-out, permanent":    {f(fault.Permanent), causes["timeout"], fail, "code-permanent"},
		"time-out of the store":  {processor.StoreError(some), causes["timeout"], wait, job.CodeInternal},
		"another cause":          {some, some, retry, job.CodeInternal},

		"set, all permanent":         {set(fault.Permanent, fault.Permanent), nil, fail, "code-permanent"},
		"set, moderated last":        {set(fault.Moderated, fault.Permanent), nil, fail, "code-permanent"},
		"set, misconfigured first":   {set(fault.Moderated, fault.Permanent, fault.Misconfigured), nil, wait, "code-misconfigured"},
		"set, throttled before that": {set(fault.Misconfigured, fault.Throttled), nil, wait, "code-throttled"},
		"set, retryable before all":  {set(fault.Throttled, fault.Moderated, fault.Retryable, fault.Permanent), nil, retry, "code-retryable"},
		"set after the deadline":     {set(fault.Retryable), causes["deadline"], fail, job.CodeDeadline},
		"set at a shutdown":          {set(fault.Permanent), causes["shutdown"], handBack, ""},
		"empty set":                  {set(), nil, retry, job.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := processor.Judge(test.err, test.cause); got.Verdict != test.verdict || got.Code != test.code {
				t.Errorf("got %s %q, want %s %q", got.Verdict, got.Code, test.verdict, test.code)
			}
		})
	}
}

// Of equal errors the first image's decides, whatever the order of the map, and the longest Retry-After applies.
func TestJudgeOfASetIsDeterministic(t *testing.T) {
	t.Parallel()
	faults := make(map[int]*fault.Error)
	for i := range 4 {
		faults[i] = throttled(time.Duration(i) * time.Second)
		faults[i].Code = fmt.Sprintf("code-%d", i)
	}
	for range 100 {
		got := processor.Judge(&processor.SetError{Faults: faults}, nil)
		if got.Code != "code-0" || got.RetryAfter != 3*time.Second || len(got.Faults) != 4 {
			t.Fatalf("got %+v", got)
		}
	}
}

func TestSetErrorReturnsTheWorst(t *testing.T) {
	t.Parallel()
	faults := map[int]*fault.Error{0: imageFault(fault.Moderated, "m"), 1: imageFault(fault.Retryable, "r")}
	if got, want := (&processor.SetError{Faults: faults}).Error(), faults[1].Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if (&processor.SetError{}).Error() == "" {
		t.Error("the error of an empty set has no message")
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]processor.Config{
		"usual":   {RetryInitialDelay: 1500 * time.Millisecond, RetryMaxDelay: time.Minute},
		"short":   {RetryInitialDelay: time.Millisecond, RetryMaxDelay: 3 * time.Millisecond},
		"flat":    {RetryInitialDelay: time.Second, RetryMaxDelay: time.Second},
		"reverse": {RetryInitialDelay: time.Hour, RetryMaxDelay: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rounds = 200
			mean := func(n int) time.Duration {
				var sum time.Duration
				for range rounds {
					d := c.Delay(n, 0)
					if limit := c.RetryMaxDelay * 13 / 10; d > limit+time.Microsecond || d <= 0 {
						t.Fatalf("delay %d is %s, more than %s", n, d, limit)
					}
					sum += d
				}
				return sum / rounds
			}
			before := time.Duration(0)
			for n := range 6 {
				now := mean(n)
				if capped := now >= c.RetryMaxDelay*8/10; !capped && now < before*3/2 {
					t.Errorf("delay %d is %s on average, after %s", n, now, before)
				}
				before = now
			}
			for _, n := range []int{0, 3, 1 << 40} {
				for _, retryAfter := range []time.Duration{time.Nanosecond, time.Second, 40 * time.Second, time.Hour} {
					d := c.Delay(n, retryAfter)
					if d < retryAfter || d > retryAfter+c.RetryMaxDelay*13/10+time.Microsecond {
						t.Errorf("delay %d is %s with a Retry-After of %s", n, d, retryAfter)
					}
				}
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	if err := processortest.Config().Validate(); err != nil {
		t.Error(err)
	}
	err := processor.Config{SlotsImage: -1, SlotsAudio: 5000, SoftStop: -1}.Validate()
	if err == nil {
		t.Fatal("no error found")
	}
	for _, name := range []string{
		"WORKER_SLOTS_IMAGE", "WORKER_SLOTS_AUDIO", "FETCH_RETRY_INITIAL_DELAY_MS", "FETCH_RETRY_MAX_DELAY_MS",
		"IMAGE_TIMEOUT", "AUDIO_TIMEOUT", "TEXT_TIMEOUT", "WORKER_SOFT_STOP",
	} {
		if !containsLine(err.Error(), name) {
			t.Errorf("%s is not named in %q", name, err)
		}
	}
	if _, err := processor.New(processor.Config{}, processor.Deps{}); err == nil {
		t.Error("New accepts an empty configuration")
	}
}

func containsLine(text, name string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name) {
			return true
		}
	}
	return false
}
