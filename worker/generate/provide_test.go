package generate_test

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/worker/generate"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// listed returns a generator with the providers of a file. In the file, {name} stands for the URL of that simulator, and
// {dead} for that of a port at which nothing listens.
func listed(t *testing.T, file string, sims map[string]*simulator.Simulator) *generate.Generator {
	t.Helper()
	file = strings.ReplaceAll(file, "{dead}", "http://127.0.0.1:1")
	for name, sim := range sims {
		file = strings.ReplaceAll(file, "{"+name+"}", sim.PollinationsURL())
		file = strings.ReplaceAll(file, "{"+name+" chat}", sim.DeepSeekURL())
	}
	path := filepath.Join(t.TempDir(), "upstreams.json")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var f provider.File
	if err := errors.Join(f.Read(path, func(string) (string, error) { return "sk_test", nil }), f.Validate()); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	set, err := f.Open(provider.Options{HTTP: upstreamtest.HTTP(t), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return &generate.Generator{Providers: *set, Log: log}
}

func scripted(t *testing.T, rules ...simulator.Rule) *simulator.Simulator {
	t.Helper()
	sim := simulatortest.Start(t)
	simulatortest.Script(t, sim, rules...)
	return sim
}

// The first provider throttles, the others are dead, without the model, and return error images: every job is served by the
// last one in its first attempt, and those whose circuit breaker has opened are not called again.
func TestProvidersServeForEachOther(t *testing.T) {
	t.Parallel()
	busy := scripted(t, simulator.Rule{Fault: "rate_limited", RetryAfter: time.Hour})
	liar := scripted(t, simulator.Rule{Kind: simulator.KindImage, Fault: "error_picture"})
	works := scripted(t)
	sims := map[string]*simulator.Simulator{"busy": busy, "liar": liar, "works": works}
	r := processortest.New(t)
	worker := r.Start(listed(t, `{
		"images": [
			{"name": "busy", "type": "pollinations", "base_url": "{busy}", "api_key_env": "KEY"},
			{"name": "dead", "type": "openai", "base_url": "{dead}/v1", "models": ["flux"]},
			{"name": "other", "type": "pollinations", "base_url": "{works}", "api_key_env": "KEY", "models": {"flux": "no-such-model"}},
			{"name": "small", "type": "openai", "base_url": "{dead}", "models": ["flux"], "sizes": ["16x16"]},
			{"name": "liar", "type": "pollinations", "base_url": "{liar}", "api_key_env": "KEY"},
			{"name": "works", "type": "openai", "base_url": "{works}/v1", "api_key_env": "KEY", "models": {"flux": "zimage"},
				"price": {"currency": "USD", "per_image": "0.03"}}
		],
		"speech": [
			{"name": "busy", "type": "pollinations", "base_url": "{busy}", "api_key_env": "KEY"},
			{"name": "works", "type": "openai", "base_url": "{works}/v1", "api_key_env": "KEY", "models": {"elevenlabs": "kokoro"},
				"voices": {"nova": "af_sky"}, "price": {"currency": "USD", "per_thousand_characters": "0.5"}}
		],
		"chat": [
			{"name": "busy", "type": "deepseek", "base_url": "{busy chat}", "api_key_env": "KEY"},
			{"name": "works", "type": "openai", "base_url": "{works chat}", "api_key_env": "KEY", "model": "deepseek-flash"}
		]}`, sims))
	const rounds = 7
	for n := range rounds {
		record := r.WaitSettled(r.Submit(job.KindImage, processortest.Images(1, int64(n))))
		if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || record.Result.Upstream != "works" {
			t.Fatalf("record is %+v, result %+v, error %+v, dead letter %+v, log %s", record, record.Result, record.Error, r.DeadLetter(record.Spec), worker.Log)
		}
		if m := record.Result.Media[0]; m.Upstream != "works" || m.Model != "zimage" || *m.Seed != int64(n) || m.Usage.Cost != "0.03" || m.Usage.Currency != "USD" {
			t.Errorf("media are %+v, usage %+v", m, m.Usage)
		}
	}
	if calls := works.Calls(simulator.KindImage); calls[len(calls)-1].Model != "zimage" || calls[len(calls)-1].Body["seed"] != float64(rounds-1) {
		t.Errorf("the last call is %+v", calls[len(calls)-1])
	}
	for name, code := range map[string]string{"image-busy": job.CodeThrottled, "image-dead": job.CodeUnavailable, "image-liar": job.CodeUnavailable} {
		if c := r.Circuit(name); c.Code != code {
			t.Errorf("%s: %+v, want %s", name, c, code)
		}
	}
	for _, name := range append(job.Upstreams(), "image-other", "image-small", "image-works") {
		if c := r.Circuit(name); c.Open() {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if n := len(busy.Calls(simulator.KindImage)); n != 1 {
		t.Errorf("the provider that throttles was called %d times", n)
	}
	if !strings.Contains(worker.Log.String(), "circuit breaker of a provider open") {
		t.Error("nothing was logged")
	}

	speech := r.WaitSettled(r.Submit(job.KindAudio, processortest.Input(&job.AudioInput{Text: "good evening", Model: "elevenlabs", Voice: "nova"})))
	if speech.Status != job.StatusSucceeded || speech.Result.Upstream != "works" || speech.Result.Usage.Cost != "0.006" {
		t.Errorf("record is %+v, result %+v", speech, speech.Result)
	}
	if call := works.Calls(simulator.KindSpeech)[0]; call.Model != "kokoro" || call.Body["voice"] != "af_sky" {
		t.Errorf("call is %+v", call)
	}
	if text := r.WaitSettled(r.Submit(job.KindPrompt)); text.Status != job.StatusSucceeded || text.Result.Upstream != "works" {
		t.Errorf("record is %+v, result %+v", text, text.Result)
	}
	// The key of a moderated text is not tried elsewhere.
	simulatortest.Script(t, works, simulator.Rule{Kind: simulator.KindImage, Fault: "moderated", Times: 2})
	if record := r.WaitSettled(r.Submit(job.KindImage)); record.Status != job.StatusFailed || record.Error.Code != job.CodeModerated {
		t.Errorf("record is %+v", record)
	}
}

const twoProviders = `{"images": [
	{"name": "main", "type": "pollinations", "base_url": "{main}", "api_key_env": "KEY"},
	{"name": "second", "type": "pollinations", "base_url": "{second}", "api_key_env": "KEY"}]}`

// The rest of a set is made by the provider of the images that are stored, since a seed means the same only there.
func TestSetStaysAtOneProvider(t *testing.T) {
	t.Parallel()
	sims := map[string]*simulator.Simulator{
		"main":   scripted(t, simulator.Rule{Kind: simulator.KindImage, Fault: "server_error", Times: 3}),
		"second": scripted(t, simulator.Rule{Kind: simulator.KindImage, Fault: "server_error", Times: 2}),
	}
	r := processortest.New(t)
	r.Start(listed(t, twoProviders, sims))
	record := r.WaitSettled(r.Submit(job.KindImage, processortest.Images(3, 40)))
	if record.Status != job.StatusSucceeded || record.Failures != 1 || record.Result.Upstream != "second" {
		t.Fatalf("record is %+v, result %+v", record, record.Result)
	}
	for i, m := range record.Result.Media {
		if m.Upstream != "second" || *m.Seed != int64(40+i) {
			t.Errorf("image %d is %+v", i, m)
		}
	}
	if n := len(sims["main"].Calls(simulator.KindImage)); n != 3 {
		t.Errorf("the first provider was called %d times", n)
	}
}

// A provider that does not respond leaves time for the next one.
func TestProviderThatHangs(t *testing.T) {
	t.Parallel()
	sims := map[string]*simulator.Simulator{"main": scripted(t, simulator.Rule{Kind: simulator.KindImage, Fault: "hang"}), "second": scripted(t)}
	r := processortest.New(t)
	r.Start(listed(t, strings.Replace(twoProviders, `"main",`, `"main", "timeout": "1s",`, 1), sims))
	if record := r.WaitSettled(r.Submit(job.KindImage)); record.Counts != (job.Counts{}) || record.Result.Upstream != "second" {
		t.Errorf("record is %+v", record)
	}
}

// While no provider may be called, all jobs wait, without using up attempts, until the first may be called again.
func TestJobsWaitWithoutAnyProvider(t *testing.T) {
	t.Parallel()
	sims := map[string]*simulator.Simulator{
		"main":   scripted(t, simulator.Rule{Kind: simulator.KindImage, Fault: "unauthorized"}),
		"second": scripted(t, simulator.Rule{Kind: simulator.KindImage, Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second, Times: 1}),
	}
	r := processortest.New(t)
	r.Start(listed(t, twoProviders, sims))
	s := r.Submit(job.KindImage)
	r.Eventually("the circuit opens", func() bool {
		c := r.Circuit(job.UpstreamImage)
		return c.Open() && c.Code == job.CodeThrottled && c.Status == http.StatusTooManyRequests
	})
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Failures != 0 || record.Throttles == 0 || record.Result.Upstream != "second" {
		t.Errorf("record is %+v", record)
	}
	if c := r.Circuit("image-main"); c.Code != job.CodeMisconfigured || r.Circuit(job.UpstreamImage).Open() {
		t.Errorf("circuits are %+v, %+v", c, r.Circuit(job.UpstreamImage))
	}
}

// A provider whose circuit breaker is half open gets one call. Another job uses the next provider meanwhile.
func TestHalfOpenProviderGetsOneCall(t *testing.T) {
	t.Parallel()
	sims := map[string]*simulator.Simulator{
		"main": scripted(t, simulator.Rule{Kind: simulator.KindImage, Hold: true}), "second": scripted(t),
	}
	r := processortest.New(t)
	r.OpenCircuit("image-main")
	worker := r.Start(listed(t, twoProviders, sims))
	r.Eventually("the worker knows the circuit", func() bool { return worker.Control.View().Circuit("image-main").Due(time.Now()) })
	probe := r.Submit(job.KindImage, processortest.Images(1, 1))
	simulatortest.WaitHeld(t, sims["main"], 1)
	if record := r.WaitSettled(r.Submit(job.KindImage, processortest.Images(1, 2))); record.Result.Upstream != "second" || record.Counts != (job.Counts{}) {
		t.Errorf("record is %+v", record)
	}
	sims["main"].Release()
	if record := r.WaitSettled(probe); record.Result.Upstream != "main" {
		t.Errorf("record is %+v", record)
	}
	r.Eventually("the circuit closes", func() bool { return !r.Circuit("image-main").Open() })
}
