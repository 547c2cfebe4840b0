package pollinations_test

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
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestImagesHaveTheRequestedSize(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, size := range []image.Point{{64, 64}, {333, 777}, {777, 333}, {1024, 1024}, {1, 1}, {1, 500}, {4096, 4096}, {16384, 20}} {
		t.Run(size.String(), func(t *testing.T) {
			t.Parallel()
			a := wiretest.Get(t, fmt.Sprintf("%s/image/%s?model=flux&width=%d&height=%d&seed=7", s.URL(), url.PathEscape("a cat / 一只猫"), size.X, size.Y))
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "image/jpeg" {
				t.Fatalf("status %d, %s", a.Status, a.Header.Get("Content-Type"))
			}
			wiretest.DecodeImage(t, a.Body, "jpeg", size.X, size.Y)
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
		wiretest.DecodeImage(t, wiretest.Get(t, target).Body, "jpeg", side, side)
	}
}

// TestImagesAreDeterministic uses two simulators, so that no cache is involved.
func TestImagesAreDeterministic(t *testing.T) {
	t.Parallel()
	one, two := simulatortest.Start(t), simulatortest.Start(t)
	const base = "/image/a%20boat?width=200&height=150"
	reference := wiretest.Get(t, one.URL()+base+"&seed=5&model=flux").Body
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
		if got := bytes.Equal(wiretest.Get(t, two.URL()+base+query).Body, reference); got != same {
			t.Errorf("%s: same bytes %t, want %t", query, got, same)
		}
	}
	if bytes.Equal(wiretest.Get(t, two.URL()+"/image/a%20goat?width=200&height=150&seed=5&model=flux").Body, reference) {
		t.Error("another prompt gave the same image")
	}
}

func TestRandomSeed(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/image/chance?width=64&height=64&seed=-1"
	one, two := wiretest.Get(t, s.URL()+path), wiretest.Get(t, s.URL()+path)
	if bytes.Equal(one.Body, two.Body) || two.Header.Get("X-Cache") != "MISS" {
		t.Errorf("seed -1 twice: the same image, or X-Cache %s", two.Header.Get("X-Cache"))
	}
}

func TestImagesShowThePrompt(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	// The prompt is white on a dark band; without it nothing there is white.
	for _, prompt := range []string{"hello", "你好"} {
		img := wiretest.DecodeImage(t, wiretest.Get(t, s.URL()+"/image/"+url.PathEscape(prompt)+"?width=512&height=512&seed=3").Body, "jpeg", 512, 512)
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
	first, second := wiretest.Get(t, s.URL()+path), wiretest.Get(t, s.URL()+path+"&key=other&nofeed=true")
	for name, want := range map[string][2]string{
		"X-Cache":                         {"MISS", "HIT"},
		"X-Cache-Type":                    {"GENERATED", "EXACT"},
		"Cache-Control":                   {"public, max-age=31536000, immutable", "public, max-age=31536000, immutable"},
		"Content-Disposition":             {`inline; filename="a-red-fox.jpg"`, `inline; filename="a-red-fox.jpg"`},
		"x-model-used":                    {"black-forest-labs/flux.1-schnell", "black-forest-labs/flux.1-schnell"},
		"x-usage-completion-image-tokens": {"1", "1"},
	} {
		if got := [2]string{first.Header.Get(name), second.Header.Get(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !bytes.Equal(first.Body, second.Body) {
		t.Error("the cached bytes differ")
	}
	again := wiretest.Get(t, s.URL()+path+"&no-cache=true")
	if again.Header.Get("X-Cache") != "MISS" || s.Generations(simulator.KindImage) != 2 {
		t.Errorf("no-cache: %s, %d generations", again.Header.Get("X-Cache"), s.Generations(simulator.KindImage))
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := simulatortest.StartWith(t, simulator.Config{CacheBytes: 20_000})
	for n := range 40 {
		wiretest.Get(t, fmt.Sprintf("%s/image/x%d?width=64&height=64", s.URL(), n))
	}
	if wiretest.Get(t, s.URL()+"/image/x39?width=64&height=64").Header.Get("X-Cache") != "HIT" {
		t.Error("the latest image was dropped")
	}
	if wiretest.Get(t, s.URL()+"/image/x0?width=64&height=64").Header.Get("X-Cache") != "MISS" {
		t.Error("the oldest image was kept")
	}
}

func TestIdenticalRequestsCoalesce(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindImage, Hold: true})
	const callers = 8
	responses := make(chan wiretest.Response, callers)
	for range callers {
		go func() {
			responses <- wiretest.Send(t.Context(), http.MethodGet, s.URL()+"/image/together?width=64&height=64", "")
		}()
	}
	simulatortest.WaitCalls(t, s, simulator.KindImage, callers)
	s.Release()
	var kinds []string
	for range callers {
		a := wiretest.Complete(t, <-responses)
		wiretest.DecodeImage(t, a.Body, "jpeg", 64, 64)
		kinds = append(kinds, a.Header.Get("X-Cache-Type"))
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
	go func() { gone <- wiretest.Send(ctx, http.MethodGet, s.URL()+path, "").Err }()
	simulatortest.WaitHeld(t, s, 1)
	cancelRequest()
	if <-gone == nil {
		t.Fatal("the first request got a wiretest.Response")
	}
	simulatortest.WaitFinished(t, s, simulator.KindImage, 1)
	retry := make(chan wiretest.Response, 1)
	go func() { retry <- wiretest.Send(t.Context(), http.MethodGet, s.URL()+path, "") }()
	simulatortest.WaitCalls(t, s, simulator.KindImage, 2)
	s.Release()
	a := wiretest.Complete(t, <-retry)
	if a.Header.Get("X-Cache") != "HIT" || s.Generations(simulator.KindImage) != 1 {
		t.Errorf("X-Cache %s, %d generations", a.Header.Get("X-Cache"), s.Generations(simulator.KindImage))
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
		a := wiretest.Get(t, s.URL()+"/image/x?"+query)
		fields := a.Fields(t)
		if a.Status != http.StatusBadRequest || wiretest.At(t, fields, "error", "code") != "BAD_REQUEST" {
			t.Errorf("%s: status %d", query, a.Status)
			continue
		}
		if field != "" && wiretest.At(t, fields, "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%s: no fault for %s", query, field)
		}
	}
	for _, query := range []string{"seed=2147483647", "safe=privacy,nsfw", "quality=hd", "unknown=%zz"} {
		if a := wiretest.Get(t, s.URL()+"/image/x?width=64&height=64&"+query); a.Status != http.StatusOK {
			t.Errorf("%s: status %d", query, a.Status)
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
		if a := wiretest.Get(t, s.URL()+path); a.Status != status {
			t.Errorf("%.40s: status %d, want %d", path, a.Status, status)
		}
	}
	// A router that decodes paths finds its own routes among them.
	for _, path := range []string{
		"/image/models", "/image/%6Dodels", "/image/x/../models", "/image/x/%2E%2e/models", "/image/./models?model=flux", "/nothing/../image/models",
	} {
		if a := wiretest.Get(t, s.URL()+path); a.Status != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: status %d, %s", path, a.Status, a.Header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/image/..", "/image/../..", "/image/%2e%2e", "/legacy-image/prompt/../../image/models"} {
		if a := wiretest.Get(t, s.URL()+path); a.Status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.Status)
		}
	}
	if a := wiretest.Post(t, s.URL()+"/v1/models", "{}"); a.Status != http.StatusMethodNotAllowed {
		t.Errorf("wrong method: status %d", a.Status)
	}
	if calls := s.Calls(simulator.KindImage); len(calls) != 1 || calls[0].Prompt != "a/b//d \n\x00" {
		t.Errorf("%d calls, the first for %q", len(calls), calls[0].Prompt)
	}
}

func TestTransparentAndVectorImages(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	a := wiretest.Get(t, s.URL()+"/image/x?model=gptimage&transparent=true&width=128&height=96")
	if a.Header.Get("Content-Type") != "image/png" {
		t.Errorf("transparent: %s", a.Header.Get("Content-Type"))
	}
	if _, _, _, alpha := wiretest.DecodeImage(t, a.Body, "png", 128, 96).At(1, 1).RGBA(); alpha != 0 {
		t.Error("the sky is not transparent")
	}
	if a := wiretest.Get(t, s.URL()+"/image/x?model=flux&transparent=true&width=64&height=64"); a.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("flux: %s", a.Header.Get("Content-Type"))
	}
	vector := wiretest.Get(t, s.URL()+"/image/"+url.PathEscape("<b>&\x01\uffff猫")+"?model=recraft-v4.1-vector&width=64&height=64")
	if vector.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("vector: %s", vector.Header.Get("Content-Type"))
	}
	if err := xml.Unmarshal(vector.Body, new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestImagesByBody(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.URL() + "/v1/images/generations"
	long := strings.Repeat("a very long prompt ", 800)
	fields := wiretest.Post(t, target, fmt.Sprintf(`{"prompt":%q,"model":"flux","size":"320x200","seed":4,"response_format":"b64_json","unknown":1}`, long)).Fields(t)
	data, err := base64.StdEncoding.DecodeString(wiretest.At(t, fields, "data", 0, "b64_json").(string))
	if err != nil {
		t.Fatal(err)
	}
	wiretest.DecodeImage(t, data, "jpeg", 320, 200)
	if wiretest.At(t, fields, "created").(float64) == 0 || wiretest.At(t, fields, "data", 0, "revised_prompt") != long {
		t.Error("created or revised_prompt is missing")
	}

	fields = wiretest.Post(t, target, `{"prompt":"a link","size":"64x64"}`).Fields(t)
	link := wiretest.Get(t, wiretest.At(t, fields, "data", 0, "url").(string))
	wiretest.DecodeImage(t, link.Body, "jpeg", 64, 64)
	if link.Header.Get("X-Cache") != "HIT" {
		t.Errorf("the link: %s", link.Header.Get("X-Cache"))
	}
	// Without a seed each image is different.
	other := wiretest.Post(t, target, `{"prompt":"a link","size":"64x64"}`).Fields(t)
	if wiretest.At(t, fields, "data", 0, "url") == wiretest.At(t, other, "data", 0, "url") {
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
		a := wiretest.Post(t, target, body)
		if a.Status != http.StatusBadRequest {
			t.Errorf("%.60s: status %d", body, a.Status)
			continue
		}
		if field != "" && wiretest.At(t, a.Fields(t), "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%.60s: no fault for %s", body, field)
		}
	}
	if a := wiretest.Post(t, target, `{"prompt":"x","size":"5000x5000"}`); a.Status != http.StatusBadRequest {
		t.Errorf("too large: status %d", a.Status)
	}
}

// TestEdits sends reference images in the body.
func TestEdits(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.URL() + "/v1/images/edits"
	picture := wiretest.Get(t, s.URL()+"/image/x?width=64&height=64").Body
	data := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(picture)
	edit := func(image string) wiretest.Response {
		return wiretest.Post(t, target, `{"prompt":"x","model":"klein","size":"96x64","seed":3,"image":`+image+`}`)
	}
	for _, image := range []string{
		`"` + data + `"`, `[{"image_url":"` + data + `"}]`, `[{"image_url":"https://a.example/x"},{"image_url":"` + data + `"}]`,
	} {
		a := edit(image)
		content, err := base64.StdEncoding.DecodeString(wiretest.At(t, a.Fields(t), "data", 0, "b64_json").(string))
		if err != nil {
			t.Fatal(err)
		}
		wiretest.DecodeImage(t, content, "jpeg", 96, 64)
		if again := edit(image); again.Header.Get("X-Cache") != "MISS" {
			t.Errorf("an edit is cached: %v", again.Header)
		}
	}
	for image, code := range map[string]string{
		`[]`: "", `"data:image/png;base64,AAAA"`: "unsupported_image_media_type", `"data:image/png;base64,!"`: "unsupported_image_media_type",
		`"upload:1"`: "invalid_image_url",
	} {
		a := edit(image)
		if a.Status != http.StatusBadRequest || (code != "" && wiretest.At(t, a.Fields(t), "error", "code") != code) {
			t.Errorf("%s: %d %s", image, a.Status, a.Body)
		}
	}
}
