package generate_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg" // The simulator sends JPEG.
	_ "image/png"  // It sends PNG for transparent images.
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/generate"
	"github.com/text2image-audio/text2image-audio/worker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// simulate returns a generator with the real clients on a simulator.
func simulate(t *testing.T) (*generate.Generator, *simulator.Simulator) {
	t.Helper()
	sim, client := upstreamtest.Simulate(t)
	media, err := pollinations.New(pollinations.Config{
		BaseURL: sim.PollinationsURL(), SpeechBaseURL: sim.PollinationsURL(), Token: "sk_test", HTTP: client,
	})
	if err != nil {
		t.Fatal(err)
	}
	language, err := deepseek.New(deepseek.Config{URL: sim.DeepSeekURL(), Key: "sk-test", HTTP: client})
	if err != nil {
		t.Fatal(err)
	}
	return &generate.Generator{Media: media, Language: language, Log: slog.New(slog.DiscardHandler)}, sim
}

func optimizing() job.Input {
	side, seed := 64, int64(3)
	return &job.ImageInput{Prompt: "a cat", Width: &side, Height: &side, Seed: &seed, Optimize: true}
}

func TestClientsGenerateEachKind(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)

	width, height, seed := 192, 128, int64(5)
	drawn := r.Submit(job.KindImage, processortest.Input(&job.ImageInput{Prompt: "a lighthouse", Width: &width, Height: &height, Seed: &seed}))
	media := r.WaitSettled(drawn).Result.Media
	size, _, err := image.DecodeConfig(bytes.NewReader(r.Media(drawn, 0)))
	if err != nil || size.Width != width || size.Height != height {
		t.Errorf("image of %dx%d, %v", size.Width, size.Height, err)
	}
	if len(media) != 1 || media[0].Width != width || media[0].Height != height || *media[0].Seed != seed || media[0].Model == "" || media[0].ContentType == "" {
		t.Errorf("media are %+v", media)
	}

	spoken := r.Submit(job.KindAudio, processortest.Input(&job.AudioInput{Text: "good evening", Voice: "nova"}))
	if media := r.WaitSettled(spoken).Result.Media; len(media) != 1 || media[0].ContentType != "audio/mpeg" || media[0].Bytes == 0 || media[0].Seed != nil {
		t.Errorf("media are %+v", media)
	}
	if call := sim.Calls(simulator.KindSpeech)[0]; call.Prompt != "good evening" || call.Body["voice"] != "nova" {
		t.Errorf("call is %+v", call)
	}
	speed := 1.5
	quick := r.Submit(job.KindAudio, processortest.Input(&job.AudioInput{Text: "good evening", Voice: "nova", Speed: &speed, Format: "wav"}))
	if media := r.WaitSettled(quick).Result.Media; len(media) != 1 || media[0].ContentType != "audio/wav" {
		t.Errorf("media are %+v", media)
	}

	improved := r.WaitSettled(r.Submit(job.KindPrompt)).Result
	if improved.Text == "" || improved.Text == "a cat" || improved.Prompt == nil || improved.Prompt.Original != "a cat" || improved.Prompt.Optimized != improved.Text {
		t.Errorf("result is %+v", improved)
	}
	if translated := r.WaitSettled(r.Submit(job.KindTranslation)).Result; translated.Text == "" || translated.Text == "你好" || translated.Prompt != nil {
		t.Errorf("result is %+v", translated)
	}
}

// The images of a set are generated concurrently, each with its own seed, and published as they arrive.
func TestSetIsGeneratedConcurrently(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindImage, Times: 3, Hold: true})
	s := r.Submit(job.KindImage, processortest.Images(4, 40))
	if err := sim.WaitHeld(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	r.WaitProgress(s, "the first image is stored", func(p *job.Progress) bool { return p.Percent != nil && *p.Percent == 25 })
	sim.Release()
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || len(record.Result.Media) != 4 {
		t.Fatalf("record is %+v", record)
	}
	var seeds []int
	for _, call := range sim.Calls(simulator.KindImage) {
		seed, err := strconv.Atoi(call.Query.Get("seed"))
		if err != nil {
			t.Error(err)
		}
		seeds = append(seeds, seed)
	}
	slices.Sort(seeds)
	if !slices.Equal(seeds, []int{40, 41, 42, 43}) {
		t.Errorf("requested the seeds %v", seeds)
	}
	for i, m := range record.Result.Media {
		if *m.Seed != int64(40+i) {
			t.Errorf("image %d has seed %d", i, *m.Seed)
		}
	}
}

func TestOptimizedImage(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindChat, Times: 1, Hold: true}, simulator.Rule{Kind: simulator.KindImage, Times: 1, Hold: true})
	s := r.Submit(job.KindImage, processortest.Input(optimizing()))
	if err := sim.WaitHeld(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	r.WaitProgress(s, "the stage is optimizing", func(p *job.Progress) bool { return p.Stage == job.StageOptimizing })
	sim.Release()
	record := r.WaitSettled(s)
	pair := record.Result.Prompt
	if record.Status != job.StatusSucceeded || pair == nil || pair.Original != "a cat" || pair.Optimized == "" || pair.Optimized == "a cat" {
		t.Fatalf("record is %+v, prompts %+v", record, pair)
	}
	if calls := sim.Calls(simulator.KindImage); len(calls) != 1 || calls[0].Prompt != pair.Optimized {
		t.Errorf("image calls are %+v", calls)
	}
}

// A prompt that one attempt optimized, and paid for, is reused by the next.
func TestPromptIsOptimizedOnce(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindImage, Times: 2, Fault: "server_error"})
	s := r.Submit(job.KindImage, processortest.Input(optimizing()))
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Failures != 2 || record.Result.Prompt == nil {
		t.Errorf("record is %+v", record)
	}
	if n := len(sim.Calls(simulator.KindChat)); n != 1 {
		t.Errorf("optimized %d times, want once", n)
	}
}

// An image does not fail or wait because the language model fails.
func TestImageWithoutTheLanguageModel(t *testing.T) {
	t.Parallel()
	for f, chats := range map[string]int{"rate_limited": 1, "moderated": 1, "no_balance": 1, "server_error": 2, "finish_length": 2} {
		t.Run(f, func(t *testing.T) {
			t.Parallel()
			r := processortest.New(t)
			u, sim := simulate(t)
			r.Start(u)
			simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindChat, Fault: f}, simulator.Rule{Kind: simulator.KindImage, Hold: true})
			s := r.Submit(job.KindImage, processortest.Input(optimizing()), processortest.MaxAttempts(3))
			if err := sim.WaitHeld(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if p := r.Progress(s); p.Stage != job.StageGenerating || p.Optimized != "a cat" {
				t.Errorf("progress is %+v", p)
			}
			sim.Release()
			record := r.WaitSettled(s)
			if record.Status != job.StatusSucceeded || len(record.Result.Media) != 1 || record.Result.Prompt.Optimized != "a cat" || record.Failures != 0 {
				t.Errorf("record is %+v", record)
			}
			if n := len(sim.Calls(simulator.KindChat)); n != chats {
				t.Errorf("%d calls of the language model, want %d", n, chats)
			}
			if calls := sim.Calls(simulator.KindImage); len(calls) != 1 || calls[0].Prompt != "a cat" {
				t.Errorf("image calls are %+v", calls)
			}
		})
	}
}

// The second call for a prompt at once is none against the Retry-After of the first.
func TestOptimizedImageRespectsRetryAfter(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindChat, Fault: "unavailable", RetryAfter: time.Hour})
	record := r.WaitSettled(r.Submit(job.KindImage, processortest.Input(optimizing())))
	if record.Status != job.StatusSucceeded || record.Result.Prompt.Optimized != "a cat" || record.Failures != 0 {
		t.Errorf("record is %+v", record)
	}
	if n := len(sim.Calls(simulator.KindChat)); n != 1 {
		t.Errorf("%d calls of the language model, which asked to wait an hour after the first", n)
	}
}

// A reference image that our own store cannot read at the moment is no failure of the job.
func TestUnreadableReferenceIsNoFailure(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, _ := simulate(t)
	var reads atomic.Int32
	u.Reference = func(context.Context, *job.Spec, job.ReferenceImage) ([]byte, error) {
		if reads.Add(1) <= 3 {
			return nil, errors.New("no answer")
		}
		return nil, store.ErrNotFound
	}
	r.Start(u)
	in := &job.ImageInput{Prompt: "a cat", ReferenceImages: []string{"upload:a"}}
	record := r.WaitSettled(r.Submit(job.KindImage, processortest.Input(in), processortest.MaxAttempts(2), func(s *job.Spec) {
		s.References = []job.ReferenceImage{{ContentType: "image/png", Bytes: 4, SHA256: strings.Repeat("0a", 32), ChunkBytes: 512}}
	}))
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeRejected || record.Failures != 1 || record.Throttles != 3 {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
}

// Jobs recover from temporary faults of an upstream.
func TestJobsRecoverFromFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule   simulator.Rule
		counts job.Counts
	}{
		"server error":    {simulator.Rule{Fault: "server_error"}, job.Counts{Failures: 1}},
		"bad gateway":     {simulator.Rule{Status: 502, Body: "<html><body>Bad gateway</body></html>"}, job.Counts{Failures: 1}},
		"error image":     {simulator.Rule{Fault: "error_picture"}, job.Counts{Failures: 1}},
		"truncated":       {simulator.Rule{Fault: "truncated"}, job.Counts{Failures: 1}},
		"endless":         {simulator.Rule{Fault: "endless_body"}, job.Counts{Failures: 1}},
		"edge time-out":   {simulator.Rule{Fault: "html_524"}, job.Counts{Failures: 1}},
		"reset":           {simulator.Rule{Fault: "reset"}, job.Counts{Failures: 1}},
		"hang":            {simulator.Rule{Fault: "hang"}, job.Counts{Failures: 1}},
		"refused key":     {simulator.Rule{Fault: "unauthorized"}, job.Counts{Throttles: 1}},
		"too many":        {simulator.Rule{Status: 429, RetryAfter: time.Second}, job.Counts{Throttles: 1}},
		"empty, twice":    {simulator.Rule{Fault: "empty", Times: 2}, job.Counts{Failures: 2}},
		"not an image":    {simulator.Rule{Status: 200, Body: `{"hello":"world"}`}, job.Counts{Failures: 1}},
		"service is down": {simulator.Rule{Fault: "unavailable"}, job.Counts{Failures: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := processortest.New(t)
			u, sim := simulate(t)
			// Only a hang needs a short time-out; the others fail at once, even though a busy machine may delay them.
			timeout := time.Minute
			if name == "hang" {
				timeout = time.Second
			}
			r.Start(u, func(c *processor.Config) {
				c.ImageTimeout = timeout
				c.SetHooks(func(h *hooks.Processor) { h.MisconfiguredDelay = 500 * time.Millisecond })
			})
			test.rule.Kind = simulator.KindImage
			test.rule.Times = max(1, test.rule.Times)
			simulatortest.Script(t, sim, test.rule)
			s := r.Submit(job.KindImage)
			record := r.WaitSettled(s)
			if record.Status != job.StatusSucceeded || record.Counts != test.counts {
				t.Errorf("record is %+v, error %+v", record, record.Error)
			}
			if calls := sim.Calls(simulator.KindImage); test.rule.RetryAfter > 0 && calls[1].Started.Sub(calls[0].Finished) < test.rule.RetryAfter {
				t.Errorf("called again after %s", calls[1].Started.Sub(calls[0].Finished))
			}
		})
	}
}

func TestModeratedJobs(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindSpeech, Fault: "moderated"})
	s := r.Submit(job.KindAudio)
	if record := r.WaitSettled(s); record.Status != job.StatusFailed || record.Error.Code != job.CodeModerated || record.Failures != 1 || r.DeadLetter(s).Detail == "" {
		t.Errorf("record is %+v", record)
	}
	simulatortest.Script(t, sim, simulator.Rule{Kind: simulator.KindImage, Fault: "moderated", Times: 1})
	record := r.WaitSettled(r.Submit(job.KindImage, processortest.Images(4, 900)))
	if record.Status != job.StatusSucceeded || len(record.Result.Media) != 3 || len(record.Result.Missing) != 1 || record.Result.Missing[0].Error.Code != job.CodeModerated {
		t.Errorf("record is %+v", record)
	}
}

// A cancel aborts the call to the upstream.
func TestCancelReachesTheUpstream(t *testing.T) {
	t.Parallel()
	r := processortest.New(t, brokertest.AckWait(3*time.Hour))
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim, simulator.Rule{Fault: "hang"})
	s := r.Submit(job.KindPrompt)
	if err := sim.WaitCalls(t.Context(), simulator.KindChat, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
		t.Fatal(err)
	}
	if err := sim.WaitFinished(t.Context(), simulator.KindChat, 1); err != nil {
		t.Fatal(err)
	}
	if calls := sim.Calls(simulator.KindChat); calls[0].Outcome != simulator.OutcomeAborted || len(calls) != 1 {
		t.Errorf("calls are %+v", calls)
	}
	if record := r.WaitSettled(s); record.Status != job.StatusCanceled {
		t.Errorf("record is %+v", record)
	}
}

// A panic during the generation of an image ends its attempt, not the process.
func TestPanicInAnImage(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	// Without a client the call panics.
	w := r.Start(&generate.Generator{Log: slog.New(slog.DiscardHandler)})
	r.Submit(job.KindImage, processortest.Images(2, 1))
	r.Eventually("the panic is counted", func() bool {
		var m dto.Metric
		if err := w.Metrics.Panics.WithLabelValues("processor").Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetCounter().GetValue() == 1
	})
	// The panic is counted before it is logged.
	r.Eventually("the stack is logged", func() bool { return strings.Contains(w.Log.String(), "pollinations.(*Client).Image") })
}

func TestJobWithoutAnInput(t *testing.T) {
	t.Parallel()
	u := &generate.Generator{}
	if _, err := u.Generate(t.Context(), &processor.Task{Spec: &job.Spec{}}); err == nil {
		t.Error("Generate returned no error")
	}
}

// A prompt that was optimized, and images that were refused, are not requested again.
func TestSetRetriesOnlyRetryableImages(t *testing.T) {
	t.Parallel()
	r := processortest.New(t)
	u, sim := simulate(t)
	r.Start(u)
	simulatortest.Script(t, sim,
		simulator.Rule{Kind: simulator.KindChat, Fault: "rate_limited", Times: 1},
		simulator.Rule{Kind: simulator.KindImage, Fault: "moderated", Times: 1},
		simulator.Rule{Kind: simulator.KindImage, Fault: "server_error", Times: 3},
	)
	n, side, seed := 3, 64, int64(10)
	in := &job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed, Width: &side, Height: &side, Optimize: true}
	record := r.WaitSettled(r.Submit(job.KindImage, processortest.Input(in)))
	if record.Status != job.StatusSucceeded || len(record.Result.Media) != 2 || len(record.Result.Missing) != 1 {
		t.Fatalf("record is %+v, result %+v", record, record.Result)
	}
	refused := in.SeedOf(record.Result.Missing[0].Index)
	calls := map[string]int{}
	for _, call := range sim.Calls(simulator.KindImage) {
		calls[call.Query.Get("seed")]++
		if call.Prompt != sim.Calls(simulator.KindImage)[0].Prompt {
			t.Errorf("prompt is %q, want that of the first call", call.Prompt)
		}
	}
	if calls[strconv.FormatInt(refused, 10)] != 1 {
		t.Errorf("calls by seed %v, the refused one is %d", calls, refused)
	}
	if n := len(sim.Calls(simulator.KindChat)); n != 1 {
		t.Errorf("optimized %d times, want once", n)
	}
}
