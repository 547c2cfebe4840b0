package pollinations_test

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Base URLs may end in any path that the legacy API accepted.
func TestBases(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{
		"", "/", "/v1", "/v1/", "/image", "/image/", "/prompt", "/prompt/", "/v1/images/generations", "/v1/audio/speech",
		"/openai", "/v1/chat/completions", "/audio", "/text/",
	} {
		for _, prefix := range []string{"", "/behind/a/proxy"} {
			var mu sync.Mutex
			var paths []string
			handler := func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				paths = append(paths, r.URL.Path)
				mu.Unlock()
				http.Error(w, "", http.StatusBadGateway)
			}
			client := newClient(t, handler, func(c *pollinations.Config) {
				root := strings.TrimSuffix(c.SpeechBaseURL, "/v1")
				c.BaseURL, c.SpeechBaseURL = root+prefix+tail, root+prefix+tail
			})
			_, _ = client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat"})
			_, _ = client.Speech(t.Context(), pollinations.SpeechRequest{Text: "cat"})
			if want := []string{prefix + "/image/cat", prefix + "/v1/audio/speech"}; fmt.Sprint(paths) != fmt.Sprint(want) {
				t.Errorf("%q: requested %q, want %q", prefix+tail, paths, want)
			}
		}
	}
}

func TestImageRequest(t *testing.T) {
	t.Parallel()
	type request = pollinations.ImageRequest
	long := strings.Repeat("猫", 500)
	scale := 7.5
	images := []string{"https://a.example/1.png?x=1&y=2", " http://b.example/a,b|c ", ""}
	many := slices.Repeat([]string{"https://a.example/" + strings.Repeat("p", 1100)}, 4)
	rows := []struct {
		name string
		request
		// uri is the expected GET request, or document the body of the expected POST request, by default to generations.
		uri, document string
		route         string
	}{
		{
			name: "all parameters of most models", request: request{Prompt: "a cat", Model: "flux", Width: 640, Height: 480, Seed: 7, Quality: "hd", Transparent: true, NoLogo: true},
			uri: "/image/a%20cat?height=480&model=flux&seed=7&width=640",
		},
		{
			name: "all parameters of a GPT model", request: request{Prompt: "a cat", Model: "openai/GPT-image-2", Width: 64, Height: 64, Seed: 1, Quality: "hd", Transparent: true},
			uri: "/image/a%20cat?height=64&model=openai%2FGPT-image-2&quality=hd&seed=1&transparent=true&width=64",
		},
		{name: "old GPT name", request: request{Prompt: "a", Model: "gptimage-large", Quality: "low"}, uri: "/image/a?model=gptimage-large&quality=low&seed=0"},
		{name: "default model and size", request: request{Prompt: "a cat", Seed: -1}, uri: "/image/a%20cat?model=flux&seed=-1"},
		{
			name: "one path segment", request: request{Prompt: "a/b?c#d%e\nf&g=h+i;j", Model: "flux"},
			uri: "/image/a%2Fb%3Fc%23d%25e%0Af&g=h+i%3Bj?model=flux&seed=0",
		},
		{name: "Chinese and emoji", request: request{Prompt: "猫🐈", Model: "flux"}, uri: "/image/%E7%8C%AB%F0%9F%90%88?model=flux&seed=0"},
		{name: "invalid UTF-8", request: request{Prompt: " a\xffb\x00c ", Model: "flux"}, uri: "/image/a%EF%BF%BDbc?model=flux&seed=0"},
		{name: "negative", request: request{Prompt: "a cat", Negative: " dogs, text ", Model: "flux"}, uri: "/image/a%20cat%2C%20avoid:%20dogs%2C%20text?model=flux&seed=0"},
		{name: "negative after a stop", request: request{Prompt: "A cat.", Negative: "dogs", Model: "flux"}, uri: "/image/A%20cat.%20avoid:%20dogs?model=flux&seed=0"},
		{name: "empty negative", request: request{Prompt: "a cat", Negative: " ", Model: "flux"}, uri: "/image/a%20cat?model=flux&seed=0"},
		{
			name: "long", request: request{Prompt: long, Model: "flux", Width: 640, Height: 480, Seed: 7, Quality: "hd"},
			document: `{"prompt":"` + long + `","model":"flux","n":1,"size":"640x480","seed":7,"response_format":"b64_json"}`,
		},
		{
			name: "long for a GPT model", request: request{Prompt: long, Model: "gptimage", Quality: "hd", Transparent: true, Seed: 7},
			document: `{"prompt":"` + long + `","model":"gptimage","n":1,"seed":7,"response_format":"b64_json","quality":"hd","transparent":true}`,
		},
		{
			name: "reference images and options", request: request{Prompt: "a cat", Model: "kontext", Safe: "privacy,sexual", ReferenceImages: images, GuidanceScale: &scale, Reasoning: "pro"},
			uri: "/image/a%20cat?guidance_scale=7.5&image=https%3A%2F%2Fa.example%2F1.png%3Fx%3D1%26y%3D2%7Chttp%3A%2F%2Fb.example%2Fa%252Cb%257Cc&model=kontext&reasoning=pro&safe=privacy%2Csexual&seed=0",
		},
		{name: "filter on", request: request{Prompt: "a", Safe: "true"}, uri: "/image/a?model=flux&safe=true&seed=0"},
		{name: "filter off", request: request{Prompt: "a", Safe: "false", GuidanceScale: new(float64)}, uri: "/image/a?guidance_scale=0&model=flux&safe=false&seed=0"},
		{
			name: "long, with reference images and options", request: request{Prompt: long, Model: "kontext", Safe: "privacy,sexual", ReferenceImages: images[:2], GuidanceScale: &scale, Reasoning: "pro"},
			document: `{"prompt":"` + long + `","model":"kontext","n":1,"seed":0,"response_format":"b64_json","safe":"privacy,sexual",` +
				`"image":"https://a.example/1.png?x=1\u0026y=2|http://b.example/a%2Cb%7Cc","guidance_scale":7.5,"reasoning":"pro"}`,
		},
		{
			name: "many reference images", request: request{Prompt: "a cat", Model: "klein", ReferenceImages: many, Seed: 3},
			document: `{"prompt":"a cat","model":"klein","n":1,"seed":3,"response_format":"b64_json","image":"` + strings.Join(many, "|") + `"}`,
		},
		{
			name: "images in the request", request: request{Prompt: "a cat", Model: "kontext", Width: 64, Height: 48, Seed: 3, ReferenceImages: []string{"https://a.example/1", "data:image/png;base64,iVBO"}},
			route:    "/v1/images/edits",
			document: `{"prompt":"a cat","model":"kontext","n":1,"size":"64x48","seed":3,"response_format":"b64_json","image":[{"image_url":"https://a.example/1"},{"image_url":"data:image/png;base64,iVBO"}]}`,
		},
		{name: "a parent directory", request: request{Prompt: "..", Model: "flux"}, document: `{"prompt":"..","model":"flux","n":1,"seed":0,"response_format":"b64_json"}`},
	}
	// In the path, these would be another path or a route of the gateway.
	for _, prompt := range []string{
		".", "...", "/", "///", "./.", "../..", "../models", "a/../models", "a//b", "models", "Models", "MODELS/", "models/flux", "/image",
	} {
		rows = append(rows, rows[len(rows)-1])
		last := &rows[len(rows)-1]
		last.name, last.Prompt = "no path: "+prompt, prompt
		last.document = `{"prompt":"` + prompt + `","model":"flux","n":1,"seed":0,"response_format":"b64_json"}`
	}
	for prompt, segment := range map[string]string{
		"models of cars": "models%20of%20cars", "models.": "models.", "image/models": "image%2Fmodels", "a.b/c": "a.b%2Fc", "%6Dodels": "%256Dodels",
	} {
		row := rows[0]
		row.name, row.request, row.uri = "a path: "+prompt, request{Prompt: prompt, Model: "flux"}, "/image/"+segment+"?model=flux&seed=0"
		rows = append(rows, row)
	}
	img := jpegOf(t, 8, 8)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var sent []string
			client := newClient(t, func(w http.ResponseWriter, q *http.Request) {
				body, _ := io.ReadAll(q.Body)
				sent = append(sent, q.Method+" "+q.RequestURI+" "+string(body))
				if q.Method == http.MethodPost {
					w.Header().Set("Content-Type", "application/json")
					_ = json.NewEncoder(w).Encode(map[string]any{"data": []any{map[string]string{"b64_json": base64.StdEncoding.EncodeToString(img)}}})
					return
				}
				w.Header().Set("Content-Type", "image/jpeg")
				_, _ = w.Write(img)
			})
			// A retry must send the same request.
			for range 2 {
				if _, err := client.Image(t.Context(), r.request); err != nil {
					t.Fatal(err)
				}
			}
			want := "GET " + r.uri + " "
			if r.document != "" {
				want = "POST " + cmp.Or(r.route, "/v1/images/generations") + " " + r.document
			}
			if sent[0] != want || sent[1] != want {
				t.Errorf("requested %q\nand   %q\nwant  %q", sent[0], sent[1], want)
			}
		})
	}
}
