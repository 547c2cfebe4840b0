package simulator_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// decode returns a complete image of the given format and size.
func decode(t *testing.T, data []byte, format string, width, height int) image.Image {
	t.Helper()
	img, got, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); got != format || size != image.Pt(width, height) {
		t.Fatalf("got %s of %v, want %s of %dx%d", got, size, format, width, height)
	}
	return img
}

func TestImagesHaveTheRequestedSize(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, size := range []image.Point{{64, 64}, {333, 777}, {777, 333}, {1024, 1024}, {1, 1}, {1, 500}, {4096, 4096}, {16384, 20}} {
		t.Run(size.String(), func(t *testing.T) {
			t.Parallel()
			a := get(t, fmt.Sprintf("%s/image/%s?model=flux&width=%d&height=%d&seed=7", s.URL(), url.PathEscape("a cat / 一只猫"), size.X, size.Y))
			if a.status != http.StatusOK || a.header.Get("Content-Type") != "image/jpeg" {
				t.Fatalf("status %d, %s", a.status, a.header.Get("Content-Type"))
			}
			decode(t, a.body, "jpeg", size.X, size.Y)
		})
	}
}

func TestDefaultSizes(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for model, side := range map[string]int{"": 1024, "zimage": 1024, " ZImage ": 1024, "gptimage": 1021, "seedream": 2048} {
		target := s.URL() + "/image/x"
		if model != "" {
			target += "?model=" + url.QueryEscape(model)
		}
		decode(t, get(t, target).body, "jpeg", side, side)
	}
}

// TestImagesAreDeterministic uses two simulators, so that no cache is involved.
func TestImagesAreDeterministic(t *testing.T) {
	t.Parallel()
	one, two := simulatortest.Start(t), simulatortest.Start(t)
	const base = "/image/a%20boat?width=200&height=150"
	reference := get(t, one.URL()+base+"&seed=5&model=flux").body
	for query, same := range map[string]bool{
		"&seed=5&model=flux":                                  true,
		"&seed=5&model=flux&negative_prompt=ugly":             true,
		"&seed=5&model=flux&nologo=true&private=1&enhance=no": true,
		"&seed=5&model=flux&whatever=1":                       true,
		"&seed=6&model=flux":                                  false,
		"&seed=5&model=zimage":                                false,
		"&seed=-1&model=flux":                                 false,
		"&model=flux":                                         false, // The default seed is 0.
	} {
		if got := bytes.Equal(get(t, two.URL()+base+query).body, reference); got != same {
			t.Errorf("%s: same bytes %t, want %t", query, got, same)
		}
	}
	if bytes.Equal(get(t, two.URL()+"/image/a%20goat?width=200&height=150&seed=5&model=flux").body, reference) {
		t.Error("another prompt gave the same image")
	}
}

func TestRandomSeed(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/image/chance?width=64&height=64&seed=-1"
	one, two := get(t, s.URL()+path), get(t, s.URL()+path)
	if bytes.Equal(one.body, two.body) || two.header.Get("X-Cache") != "MISS" {
		t.Errorf("seed -1 twice: the same image, or X-Cache %s", two.header.Get("X-Cache"))
	}
}

func TestImagesShowThePrompt(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	// The prompt is white on a dark band; without it nothing there is white.
	for _, prompt := range []string{"hello", "你好"} {
		img := decode(t, get(t, s.URL()+"/image/"+url.PathEscape(prompt)+"?width=512&height=512&seed=3").body, "jpeg", 512, 512)
		white := 0
		for y := 400; y < 512; y++ {
			for x := range 512 {
				if r, g, b, _ := img.At(x, y).RGBA(); min(r, g, b) > 0xf000 {
					white++
				}
			}
		}
		if white < 200 {
			t.Errorf("%q: %d white pixels, want text", prompt, white)
		}
	}
}

func TestCacheHeaders(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/image/A%20red%20fox!?width=64&height=64&model=flux"
	first, second := get(t, s.URL()+path), get(t, s.URL()+path+"&key=other&nofeed=true")
	for name, want := range map[string][2]string{
		"X-Cache":                         {"MISS", "HIT"},
		"X-Cache-Type":                    {"GENERATED", "EXACT"},
		"Cache-Control":                   {"public, max-age=31536000, immutable", "public, max-age=31536000, immutable"},
		"Content-Disposition":             {`inline; filename="a-red-fox.jpg"`, `inline; filename="a-red-fox.jpg"`},
		"x-model-used":                    {"black-forest-labs/flux.1-schnell", "black-forest-labs/flux.1-schnell"},
		"x-usage-completion-image-tokens": {"1", "1"},
	} {
		if got := [2]string{first.header.Get(name), second.header.Get(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !bytes.Equal(first.body, second.body) {
		t.Error("the cached bytes differ")
	}
	again := get(t, s.URL()+path+"&no-cache=true")
	if again.header.Get("X-Cache") != "MISS" || s.Generations(simulator.KindImage) != 2 {
		t.Errorf("no-cache: %s, %d generations", again.header.Get("X-Cache"), s.Generations(simulator.KindImage))
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := simulatortest.StartWith(t, simulator.Config{CacheBytes: 20_000})
	for n := range 40 {
		get(t, fmt.Sprintf("%s/image/x%d?width=64&height=64", s.URL(), n))
	}
	if get(t, s.URL()+"/image/x39?width=64&height=64").header.Get("X-Cache") != "HIT" {
		t.Error("the latest image was dropped")
	}
	if get(t, s.URL()+"/image/x0?width=64&height=64").header.Get("X-Cache") != "MISS" {
		t.Error("the oldest image was kept")
	}
}

func TestIdenticalRequestsCoalesce(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindImage, Hold: true})
	const callers = 8
	responses := make(chan response, callers)
	for range callers {
		go func() {
			responses <- send(t.Context(), http.MethodGet, s.URL()+"/image/together?width=64&height=64", "")
		}()
	}
	simulatortest.WaitCalls(t, s, simulator.KindImage, callers)
	s.Release()
	var kinds []string
	for range callers {
		a := complete(t, <-responses)
		decode(t, a.body, "jpeg", 64, 64)
		kinds = append(kinds, a.header.Get("X-Cache-Type"))
	}
	if s.Generations(simulator.KindImage) != 1 || !slices.Contains(kinds, "GENERATED") {
		t.Errorf("%d generations, %v", s.Generations(simulator.KindImage), kinds)
	}
}

func TestGenerationOutlivesItsClient(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindImage, Hold: true, Times: 1})
	const path = "/image/slow?width=64&height=64"
	ctx, cancelRequest := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- send(ctx, http.MethodGet, s.URL()+path, "").err }()
	simulatortest.WaitHeld(t, s, 1)
	cancelRequest()
	if <-gone == nil {
		t.Fatal("the first request got a response")
	}
	simulatortest.WaitFinished(t, s, simulator.KindImage, 1)
	retry := make(chan response, 1)
	go func() { retry <- send(t.Context(), http.MethodGet, s.URL()+path, "") }()
	simulatortest.WaitCalls(t, s, simulator.KindImage, 2)
	s.Release()
	a := complete(t, <-retry)
	if a.header.Get("X-Cache") != "HIT" || s.Generations(simulator.KindImage) != 1 {
		t.Errorf("X-Cache %s, %d generations", a.header.Get("X-Cache"), s.Generations(simulator.KindImage))
	}
	if calls := s.Calls(simulator.KindImage); calls[0].Outcome != simulator.OutcomeAborted || calls[1].Outcome != simulator.OutcomeFinished {
		t.Errorf("outcomes %s and %s", calls[0].Outcome, calls[1].Outcome)
	}
}

func TestImageQueryIsValidated(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for query, field := range map[string]string{
		"model=turbo":                        "model",
		"model=":                             "model",
		"width=abc":                          "width",
		"width=-1":                           "width",
		"height=1.5":                         "height",
		"seed=-2":                            "seed",
		"seed=2147483648":                    "seed",
		"seed=99999999999999999999":          "seed",
		"quality=ultra":                      "quality",
		"safe=maybe":                         "safe",
		"reasoning=deep":                     "reasoning",
		"guidance_scale=much":                "guidance_scale",
		"guidance_scale=NaN":                 "guidance_scale",
		"width=4097&height=4096":             "", // The provider rejects, not the gateway.
		"width=2000000000":                   "",
		"model=klein&width=2000&height=2000": "",
	} {
		a := get(t, s.URL()+"/image/x?"+query)
		fields := a.fields(t)
		if a.status != http.StatusBadRequest || at(t, fields, "error", "code") != "BAD_REQUEST" {
			t.Errorf("%s: status %d", query, a.status)
			continue
		}
		if field != "" && at(t, fields, "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%s: no fault for %s", query, field)
		}
	}
	for _, query := range []string{"seed=2147483647", "safe=privacy,nsfw", "quality=hd", "unknown=%zz"} {
		if a := get(t, s.URL()+"/image/x?width=64&height=64&"+query); a.status != http.StatusOK {
			t.Errorf("%s: status %d", query, a.status)
		}
	}
	if n := s.Generations(simulator.KindImage); n != 4 {
		t.Errorf("%d generations", n)
	}
}

func TestOddPaths(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for path, status := range map[string]int{
		"/image/a%2Fb//c/../d%20%0A%00?width=64&height=64": http.StatusOK,
		"/image/":                             http.StatusBadRequest,
		"/image/" + strings.Repeat("a", 9000): http.StatusBadRequest,
		"/nothing":                            http.StatusNotFound,
		"/deepseek/x":                         http.StatusNotFound,
	} {
		if a := get(t, s.URL()+path); a.status != status {
			t.Errorf("%.40s: status %d, want %d", path, a.status, status)
		}
	}
	// A router that decodes paths finds its own routes among them.
	for _, path := range []string{
		"/image/models", "/image/%6Dodels", "/image/x/../models", "/image/x/%2E%2e/models", "/image/./models?model=flux", "/nothing/../image/models",
	} {
		if a := get(t, s.URL()+path); a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: status %d, %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/image/..", "/image/../..", "/image/%2e%2e", "/legacy-image/prompt/../../image/models"} {
		if a := get(t, s.URL()+path); a.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
	if a := post(t, s.URL()+"/v1/models", "{}"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("wrong method: status %d", a.status)
	}
	if calls := s.Calls(simulator.KindImage); len(calls) != 1 || calls[0].Prompt != "a/b//d \n\x00" {
		t.Errorf("%d calls, the first for %q", len(calls), calls[0].Prompt)
	}
}

func TestTransparentAndVectorImages(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := get(t, s.URL()+"/image/x?model=gptimage&transparent=true&width=128&height=96")
	if a.header.Get("Content-Type") != "image/png" {
		t.Errorf("transparent: %s", a.header.Get("Content-Type"))
	}
	if _, _, _, alpha := decode(t, a.body, "png", 128, 96).At(1, 1).RGBA(); alpha != 0 {
		t.Error("the sky is not transparent")
	}
	if a := get(t, s.URL()+"/image/x?model=flux&transparent=true&width=64&height=64"); a.header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("flux: %s", a.header.Get("Content-Type"))
	}
	vector := get(t, s.URL()+"/image/"+url.PathEscape("<b>&\x01\uffff猫")+"?model=recraft-v4.1-vector&width=64&height=64")
	if vector.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("vector: %s", vector.header.Get("Content-Type"))
	}
	if err := xml.Unmarshal(vector.body, new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestImagesByBody(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.URL() + "/v1/images/generations"
	long := strings.Repeat("a very long prompt ", 800)
	fields := post(t, target, fmt.Sprintf(`{"prompt":%q,"model":"flux","size":"320x200","seed":4,"response_format":"b64_json","unknown":1}`, long)).fields(t)
	data, err := base64.StdEncoding.DecodeString(at(t, fields, "data", 0, "b64_json").(string))
	if err != nil {
		t.Fatal(err)
	}
	decode(t, data, "jpeg", 320, 200)
	if at(t, fields, "created").(float64) == 0 || at(t, fields, "data", 0, "revised_prompt") != long {
		t.Error("created or revised_prompt is missing")
	}

	fields = post(t, target, `{"prompt":"a link","size":"64x64"}`).fields(t)
	link := get(t, at(t, fields, "data", 0, "url").(string))
	decode(t, link.body, "jpeg", 64, 64)
	if link.header.Get("X-Cache") != "HIT" {
		t.Errorf("the link: %s", link.header.Get("X-Cache"))
	}
	// Without a seed each image is different.
	other := post(t, target, `{"prompt":"a link","size":"64x64"}`).fields(t)
	if at(t, fields, "data", 0, "url") == at(t, other, "data", 0, "url") {
		t.Error("two random images are equal")
	}

	for body, field := range map[string]string{
		`{"model":"flux"}`:                                "prompt",
		`{"prompt":""}`:                                   "prompt",
		`{"prompt":7}`:                                    "prompt",
		`{"prompt":"x","model":"turbo"}`:                  "model",
		`{"prompt":"x","n":2}`:                            "n",
		`{"prompt":"x","size":"big"}`:                     "size",
		`{"prompt":"x","size":"0x64"}`:                    "size",
		`{"prompt":"x","quality":"ultra"}`:                "quality",
		`{"prompt":"x","seed":-2}`:                        "seed",
		`{"prompt":"x","seed":1.5}`:                       "seed",
		`{"prompt":"x","response_format":1}`:              "response_format",
		`{"prompt":"` + strings.Repeat("x", 32001) + `"}`: "prompt",
		`{`:  "",
		`[]`: "",
		``:   "",
	} {
		a := post(t, target, body)
		if a.status != http.StatusBadRequest {
			t.Errorf("%.60s: status %d", body, a.status)
			continue
		}
		if field != "" && at(t, a.fields(t), "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%.60s: no fault for %s", body, field)
		}
	}
	if a := post(t, target, `{"prompt":"x","size":"5000x5000"}`); a.status != http.StatusBadRequest {
		t.Errorf("too large: status %d", a.status)
	}
}
