package pollinations_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// lists serves the lists of the gateway, or of the legacy services, from testdata.
func lists(t *testing.T, files map[string]string) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent for a public list")
		}
		file, known := files[r.URL.Path]
		if r.Method != http.MethodGet || !known {
			http.NotFound(w, r)
			return
		}
		body, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		files  map[string]string
		option func(*pollinations.Config)
	}{
		"gen": {map[string]string{"/image/models": "gen_image.json", "/audio/models": "gen_audio.json"}, func(*pollinations.Config) {}},
		"legacy": {map[string]string{"/images/models": "legacy_image.json", "/texts/models": "legacy_text.json"}, func(c *pollinations.Config) {
			root := strings.TrimSuffix(c.SpeechBaseURL, "/v1")
			asLegacy(c)
			c.BaseURL, c.SpeechBaseURL = root+"/images/prompt", root+"/texts/"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, lists(t, r.files), r.option).Models(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+"_models.golden.json", got)
		})
	}
}

// golden compares a value with its golden file.
func golden(t *testing.T, name string, got any) {
	t.Helper()
	data, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(data) {
		t.Errorf("%s differs; got\n%s", name, data)
	}
}

// Known formats of lists, and invalid ones.
func TestModelList(t *testing.T) {
	t.Parallel()
	many := make([]string, 900)
	for n := range many {
		many[n] = fmt.Sprintf("m%d", n)
	}
	crowd, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, body string
		names      string
		count      int
	}{
		{"words", `["flux","turbo"]`, "flux turbo", 2},
		{"around an array", `{"object":"list","data":[{"id":"flux","created":1}]}`, "flux", 1},
		{"around an array, other name", `{"models":["flux"]}`, "flux", 1},
		{"one entry of another kind", `[7,null,[],{"name":"flux"},{"name":{}},{"title":"no name"},""]`, "flux", 1},
		{"twice", `["flux",{"name":"flux"}]`, "flux", 1},
		{"members of other types", `[{"name":"a","aliases":"b","voices":7,"pricing":"free","paid_only":{},"health":[1],"resolutions":"1x1","output_modalities":"image"}]`, "a", 1},
		{"a video", `[{"name":"v","output_modalities":["video"]},{"name":"i","output_modalities":["image"]}]`, "i", 1},
		{"a vector drawing", `[{"name":"recraft/recraft-v4.1-vector"},{"name":"x/y","aliases":["Y-Vector"]},{"name":"vectorize"}]`, "vectorize", 1},
		{"control characters", `["fl\u0000ux","flux"]`, "flux", 1},
		{"too many", string(crowd), "", 500},
		{"a long name", `["` + strings.Repeat("猫", 100) + `","` + strings.Repeat("a", 101) + `"]`, strings.Repeat("猫", 100), 1},
	}
	for _, r := range rows {
		read, is := pollinations.ReadModels([]byte(r.body))
		image := read.Image
		if !is || len(image) != r.count {
			t.Errorf("%s: %d models, %v", r.name, len(image), is)
		}
		var names []string
		for _, m := range image {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, " "); r.names != "" && got != r.names {
			t.Errorf("%s: %q", r.name, got)
		}
	}
}

// Invalid names and values are skipped and counted.
func TestOddModels(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, entry string
		skipped     int
		want        string
	}{
		{"valid", `{"name":"a/b-1.0:x","aliases":["猫"],"per_user_rpm":60,"max_pixels":1000000}`, 0, "a/b-1.0:x [猫] [] 60 1000000 0 0 map[]"},
		{"no name", `{"title":"x"}`, 1, ""},
		{"a number", `7`, 1, ""},
		{"nothing", `null`, 1, ""},
		{"control character", `"a\u0000b"`, 1, ""},
		{"direction mark", `"a\u202eb"`, 1, ""},
		{"space around", `" a"`, 1, ""},
		{"a name that is a list", `{"name":["a"]}`, 1, ""},
		{"over-long", `"` + strings.Repeat("a", 101) + `"`, 1, ""},
		{"invalid aliases", `{"name":"a","aliases":["b","\u001b[1m",{},7,"` + strings.Repeat("c", 101) + `"]}`, 4, "a [b] [] 0 0 0 0 map[]"},
		{"invalid voices", `{"name":"a","voices":["nova","zf_xiaobei","Anna Maria","<i>x</i>","` + strings.Repeat("v", 65) + `",null," x"]}`, 4, "a [] [nova zf_xiaobei Anna Maria] 0 0 0 0 map[]"},
		{"negative limits", `{"name":"a","per_user_rpm":-1,"max_pixels":-1,"max_reference_images":-1}`, 3, "a [] [] 0 0 0 0 map[]"},
		{"huge limits", `{"name":"a","per_user_rpm":1e300,"max_pixels":"99999999999999","max_width":1e9,"max_reference_images":1e400}`, 4, "a [] [] 0 0 0 0 map[]"},
		{"huge size", `{"name":"a","resolutions":["60000x60000","64x64"]}`, 0, "a [] [] 0 4096 0 0 map[]"},
		{"sides without an area", `{"name":"a","max_width":65000,"max_height":65000}`, 0, "a [] [] 0 67108864 0 0 map[]"},
		{"invalid prices", `{"name":"a","pricing":{"completionImageTokens":"-0.1","completionAudioTokens":"1e30","promptTextTokens":"NaN","free":"yes","x\u0000":"1"}}`, 5, "a [] [] 0 0 0 0 map[]"},
		{"one invalid price", `{"name":"a","pricing":{"completionImageTokens":"0.1","note":"cheap"}}`, 1, "a [] [] 0 0 0 0.1 map[completionImageTokens:0.1]"},
	}
	for _, r := range rows {
		read, is := pollinations.ReadModels([]byte("[" + r.entry + "]"))
		got := ""
		for _, m := range read.Image {
			got = fmt.Sprint(m.Name, " ", m.Aliases, " ", m.Voices, " ", m.PerUserRPM, " ", m.MaxPixels, " ", m.MaxReferenceImages, " ", m.PerImage, " ", m.Prices)
		}
		if !is || read.Skipped != r.skipped || got != r.want {
			t.Errorf("%s: %d skipped, %q; want %d, %q", r.name, read.Skipped, got, r.skipped, r.want)
		}
	}
}

func TestModelPrices(t *testing.T) {
	t.Parallel()
	rows := []struct {
		pricing           string
		perImage, perText float64
		rates             int
		more              string
	}{
		{`{"currency":"pollen","completionImageTokens":"0.002"}`, 0.002, 0, 1, ""},
		{`{"currency":"pollen","completionImageTokens":0.002}`, 0.002, 0, 1, ""},
		{`{"currency":"pollen","completionImageTokens":"2e-3","promptTextTokens":"0"}`, 0.002, 0, 2, ""},
		{`{"currency":"pollen","completionImageTokens":"0.00003","promptTextTokens":"0.0000003"}`, 0, 0, 2, ""},
		{`{"currency":"pollen","completionAudioTokens":"0.0001"}`, 0, 0.1, 1, ""},
		{`{"currency":"pollen","completionImageTokens":"free"}`, 0, 0, 0, ""},
		{`{"currency":"pollen","completionImageTokens":"-1"}`, 0, 0, 0, ""},
		{`{"currency":"pollen","completionImageTokens":"NaN"}`, 0, 0, 0, ""},
		{`{"currency":"pollen","completionImageTokens":{"low":"1"}}`, 0, 0, 0, ""},
		{`null`, 0, 0, 0, ""},
		{`{"completionImageTokens":"0.0001"}`, 0.0001, 0, 1, ""},
		{`{"completionImageTokens":"0.000032"}`, 0, 0, 1, ""},
		{`{"completionImageTokens":"0.00012"}`, 0, 0, 1, `,"aliases":["nanobanana-pro"]`},
		{`{"completionImageTokens":"0.00012"}`, 0, 0, 1, `,"aliases":["openai/gpt-image-9"]`},
		{`{"completionImageTokens":"0.00005"}`, 0.00005, 0, 1, `,"flat_rate":true`},
		{`{"completionAudioTokens":"0.04"}`, 0, 0, 1, ""},
		{`{"completionAudioTokens":"0.0004"}`, 0, 0, 1, `,"flat_rate":"true"`},
	}
	for _, r := range rows {
		read, _ := pollinations.ReadModels([]byte(`[{"name":"x","pricing":` + r.pricing + r.more + `}]`))
		image := read.Image
		if len(image) != 1 {
			t.Fatalf("%s: %d models", r.pricing, len(image))
		}
		m := image[0]
		if math.Abs(m.PerImage-r.perImage) > 1e-12 || math.Abs(m.PerThousandCharacters-r.perText) > 1e-12 || len(m.Rates) != r.rates {
			t.Errorf("%s: %+v", r.pricing, m)
		}
	}
}

func TestModelsFaults(t *testing.T) {
	t.Parallel()
	const good = `["flux"]`
	rows := []struct {
		name    string
		handler http.HandlerFunc
		class   fault.Class
		code    string
	}{
		{"down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, fault.Retryable, job.CodeUnavailable},
		{"page", respond([]byte("<html></html>"), "Content-Type", "text/html"), fault.Retryable, job.CodeInvalidAnswer},
		{"empty list", respond([]byte("[]")), fault.Retryable, job.CodeInvalidAnswer},
		{"no list", respond([]byte(`{"flux":1}`)), fault.Retryable, job.CodeInvalidAnswer},
		{"an error as a success", respond([]byte(`{"success":false,"error":{"message":"slow down","code":"RATE_LIMITED"},"status":429}`), "Content-Type", "application/json"), fault.Throttled, job.CodeThrottled},
		{"cut", respond([]byte(`["flux`)), fault.Retryable, job.CodeInvalidAnswer},
		{"compressed", respond([]byte(good), "Content-Encoding", "gzip"), fault.Retryable, job.CodeInvalidAnswer},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `["`+strings.Repeat("x", 3<<20)+`"]`)
		}, fault.Retryable, job.CodeInvalidAnswer},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				if q.URL.Path == "/image/models" {
					_, _ = io.WriteString(w, good)
					return
				}
				r.handler(w, q)
			})
			got, err := client.Models(t.Context())
			upstreamtest.RequireError(t, err, r.class, r.code)
			if f := upstreamtest.Error(t, err); f.Upstream != job.UpstreamSpeech {
				t.Errorf("error of %s", f.Upstream)
			}
			if got == nil || len(got.Image) != 1 || got.Image[0].Name != "flux" || got.Speech != nil {
				t.Errorf("the other list is missing: %+v", got)
			}
		})
	}
}

// A service without a URL has no list; without any URL, Models fails.
func TestModelsUnset(t *testing.T) {
	t.Parallel()
	got, err := newClient(t, respond([]byte(`["flux"]`)), func(c *pollinations.Config) { c.SpeechBaseURL = "" }).Models(t.Context())
	if err != nil || len(got.Image) != 1 || got.Speech != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	none, err := pollinations.New(pollinations.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = none.Models(t.Context())
	upstreamtest.RequireError(t, err, fault.Misconfigured, job.CodeMisconfigured)
	both := newClient(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	_, err = both.Models(t.Context())
	if !strings.Contains(fmt.Sprint(err), job.UpstreamImage) || !strings.Contains(fmt.Sprint(err), job.UpstreamSpeech) {
		t.Errorf("got %v", err)
	}
	if _, is := errors.AsType[*fault.Error](err); !is {
		t.Errorf("got %v, want errors", err)
	}
}

func FuzzModels(f *testing.F) {
	f.Add([]byte(`["flux",{"name":"x","pricing":{"completionImageTokens":"1e999"},"resolutions":["1x1",{"width":1,"height":"2"}]}]`))
	f.Add([]byte(`{"data":[{"id":"a","voices":[{"id":"b"}],"health":{"status":"ok"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		read, _ := pollinations.ReadModels(body)
		for _, m := range append(read.Image, read.Speech...) {
			if m.Name == "" || utf8.RuneCountInString(m.Name) > 100 || len(m.Voices) > 500 || m.MaxWidth < 0 || m.MaxPixels < 0 || m.PerImage < 0 {
				t.Errorf("%+v", m)
			}
			if _, err := json.Marshal(m); err != nil {
				t.Error(err)
			}
		}
	})
}
