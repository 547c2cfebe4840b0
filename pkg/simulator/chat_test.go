package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

const (
	improver   = "You improve prompts for an image model."
	translator = "You are a translator."
)

// chatBody returns a request, with extra fields before the messages.
func chatBody(extra, system, user string) string {
	messages, err := json.Marshal([]map[string]string{{"role": "system", "content": system}, {"role": "user", "content": user}})
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"model":"deepseek-flash",%s"messages":%s}`, extra, messages)
}

const quiet = `"thinking":{"type":"disabled"},`

// ask returns the text of a completion.
func ask(t *testing.T, s *simulator.Simulator, system, user string) string {
	t.Helper()
	a := post(t, s.DeepSeekURL()+"/chat/completions", chatBody(quiet, system, user))
	return at(t, a.fields(t), "choices", 0, "message", "content").(string)
}

func TestDeepSeekCompletion(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	long := strings.Repeat("You improve prompts for an image model. ", 20)
	for round, prefix := range []string{"/chat/completions", "/v1/chat/completions"} {
		a := post(t, s.DeepSeekURL()+prefix, chatBody("", long, "a cat"))
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
			t.Fatalf("status %d, %s", a.status, a.header.Get("Content-Type"))
		}
		if keys := keysInOrder(t, a.body); !slices.Equal(keys, []string{"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}) {
			t.Errorf("keys %v", keys)
		}
		fields := a.fields(t)
		usage := func(path ...any) float64 { return at(t, fields, append([]any{"usage"}, path...)...).(float64) }
		hit, miss := usage("prompt_cache_hit_tokens"), usage("prompt_cache_miss_tokens")
		if hit+miss != usage("prompt_tokens") || usage("prompt_tokens")+usage("completion_tokens") != usage("total_tokens") || usage("prompt_tokens_details", "cached_tokens") != hit {
			t.Errorf("usage does not add up: %v", at(t, fields, "usage"))
		}
		if round == 0 && hit != 0 || round == 1 && (hit == 0 || int(hit)%64 != 0) {
			t.Errorf("round %d: %v cached tokens", round, hit)
		}
		if at(t, fields, "choices", 0, "finish_reason") != "stop" || at(t, fields, "object") != "chat.completion" || at(t, fields, "model") != "deepseek-flash" {
			t.Error("finish_reason, object or model is wrong")
		}
		// Reasoning is on by default.
		if at(t, fields, "choices", 0, "message", "reasoning_content") == nil || usage("completion_tokens_details", "reasoning_tokens") == 0 {
			t.Error("it has no reasoning")
		}
	}
	fields := post(t, s.DeepSeekURL()+"/chat/completions", chatBody(quiet, improver, "a cat")).fields(t)
	if at(t, fields, "choices", 0, "message", "reasoning_content") != nil || at(t, fields, "usage", "completion_tokens_details") != nil {
		t.Error("it has reasoning although that is disabled")
	}
}

func TestImprovement(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, text := range []string{"a cat on a roof", "一只猫在月光下", "oil painting of a lighthouse at sunset, warm light", "🙂", strings.Repeat("long ", 700)} {
		better := ask(t, s, improver, text)
		if !strings.HasPrefix(better, strings.TrimSpace(text)) || len(better) <= len(text) {
			t.Errorf("%.30q became %.80q", text, better)
		}
		if better != ask(t, s, improver, text) {
			t.Errorf("%.30q is not improved deterministically", text)
		}
		if wrapped := ask(t, s, improver, "Prompt:\n<text>\n"+text+"\n</text>"); wrapped != better {
			t.Errorf("%.30q wrapped became %.80q", text, wrapped)
		}
	}
	if better := ask(t, s, improver, "oil painting of a dog"); strings.Contains(better, "photo") {
		t.Errorf("it contradicts the style of the user: %s", better)
	}
}

func TestTranslation(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for text, want := range map[string]string{
		"一只猫在月光下":                "A cat in the moonlight",
		"红色的猫":                   "Red cat",
		"小狗在草地上奔跑。":              "Puppy running on meadow.",
		"a white cat":            "白色猫",
		"A cat in the moonlight": "一只猫在月光下",
		"Hello world":            "你好世界",
		"flowers, birds":         "花，鸟",
		"xyzzy":                  "xyzzy",
		"the xyzzy of dogs":      "xyzzy 的狗",
		"🙂":                      "🙂",
		"the":                    "the",
	} {
		if got := ask(t, s, translator, text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSmallTalkAndJSONMode(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	if got := ask(t, s, "", "hello"); !strings.Contains(got, "hello") {
		t.Errorf("small talk: %q", got)
	}
	if got := ask(t, s, improver, "  "); got == "" {
		t.Error("no response to an empty message")
	}
	fields := post(t, s.DeepSeekURL()+"/chat/completions", chatBody(quiet+`"response_format":{"type":"json_object"},`, translator+" Answer in JSON.", "你好")).fields(t)
	var result map[string]string
	if err := json.Unmarshal([]byte(at(t, fields, "choices", 0, "message", "content").(string)), &result); err != nil || result["result"] != "Hello" {
		t.Errorf("%v, %v", result, err)
	}
}

func TestCompletionLimits(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	fields := post(t, s.DeepSeekURL()+"/chat/completions", chatBody(quiet+`"max_tokens":3,`, improver, "a cat in the garden")).fields(t)
	if content := at(t, fields, "choices", 0, "message", "content").(string); at(t, fields, "choices", 0, "finish_reason") != "length" || len(content) > 12 || content == "" {
		t.Errorf("max_tokens: %q", content)
	}
	fields = post(t, s.DeepSeekURL()+"/chat/completions", chatBody(quiet+`"stop":["garden"],`, improver, "a cat in the garden")).fields(t)
	if content := at(t, fields, "choices", 0, "message", "content").(string); content != "a cat in the " {
		t.Errorf("stop: %q", content)
	}
}

// event is one server-sent event, or a comment.
type event struct {
	comment bool
	data    string
}

// events parses a stream strictly: data or comment lines, each followed by a blank
// line.
func events(t *testing.T, body []byte) []event {
	t.Helper()
	var list []event
	for block := range strings.SplitSeq(strings.TrimSuffix(string(body), "\n\n"), "\n\n") {
		if comment, ok := strings.CutPrefix(block, ": "); ok {
			list = append(list, event{comment: true, data: comment})
			continue
		}
		data, ok := strings.CutPrefix(block, "data: ")
		if !ok || strings.Contains(data, "\n") {
			t.Fatalf("not an event: %q", block)
		}
		list = append(list, event{data: data})
	}
	return list
}

// streamed is the content of a stream.
type streamed struct {
	content, reasoning, finish string
	usages, bareUsages         int
	done                       bool
	comments                   int
}

func join(t *testing.T, body []byte) streamed {
	t.Helper()
	var all streamed
	for _, e := range events(t, body) {
		if e.comment {
			all.comments++
			continue
		}
		if e.data == "[DONE]" {
			all.done = true
			continue
		}
		var chunk struct {
			Object  string
			Choices []struct {
				Delta struct {
					Content          string
					ReasoningContent string `json:"reasoning_content"`
				}
				FinishReason *string `json:"finish_reason"`
			}
			Usage map[string]any
		}
		if err := json.Unmarshal([]byte(e.data), &chunk); err != nil {
			t.Fatal(err)
		}
		if chunk.Object != "chat.completion.chunk" || all.done {
			t.Fatalf("object %q, after the end %t", chunk.Object, all.done)
		}
		if chunk.Usage != nil {
			all.usages++
			if len(chunk.Choices) == 0 {
				all.bareUsages++
			}
		}
		for _, choice := range chunk.Choices {
			if choice.Delta.ReasoningContent != "" && all.content != "" {
				t.Error("reasoning after the content began")
			}
			all.content += choice.Delta.Content
			all.reasoning += choice.Delta.ReasoningContent
			if choice.FinishReason != nil {
				all.finish = *choice.FinishReason
			}
		}
	}
	return all
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	want := ask(t, s, improver, "一只猫 with emoji 🙂")
	for name, test := range map[string]struct {
		fault, extra string
		usages, bare int
		comments     bool
		thinks       bool
	}{
		"plain":         {extra: quiet, usages: 1},
		"thinking":      {usages: 1, thinks: true},
		"include usage": {extra: quiet + `"stream_options":{"include_usage":true},`, usages: 1},
		"usage apart":   {fault: "usage_chunk", extra: quiet, usages: 1, bare: 1},
		"keep-alive":    {fault: "keepalive_comments", extra: quiet, usages: 1, comments: true},
		"split chunks":  {fault: "split_chunks", extra: quiet, usages: 1},
		"temperature":   {extra: quiet + `"temperature":1.3,`, usages: 1},
	} {
		if test.fault != "" {
			simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindChat, Fault: test.fault, Times: 1})
		}
		a := post(t, s.DeepSeekURL()+"/v1/chat/completions", chatBody(`"stream":true,`+test.extra, improver, "一只猫 with emoji 🙂"))
		if !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") || !utf8.Valid(a.body) {
			t.Fatalf("%s: %s", name, a.header.Get("Content-Type"))
		}
		got := join(t, a.body)
		if got.content != want || got.finish != "stop" || !got.done || got.usages != test.usages || got.bareUsages != test.bare ||
			(got.comments > 0) != test.comments || (got.reasoning != "") != test.thinks {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// pieces records each write of a handler.
type pieces struct {
	*httptest.ResponseRecorder
	list [][]byte
}

func (p *pieces) Write(data []byte) (int, error) {
	p.list = append(p.list, bytes.Clone(data))
	return p.ResponseRecorder.Write(data)
}

func TestStreamSplitsCharacters(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Fault: "split_chunks"})
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/deepseek/chat/completions", strings.NewReader(chatBody(quiet+`"stream":true,`, improver, "一只猫在月光下")))
	request.Header.Set("Authorization", "Bearer sk_test")
	p := &pieces{ResponseRecorder: httptest.NewRecorder()}
	s.Handler().ServeHTTP(p, request)
	withinCharacter := false
	for _, piece := range p.list {
		if len(piece) > 7 {
			t.Fatalf("a piece of %d bytes", len(piece))
		}
		withinCharacter = withinCharacter || !utf8.Valid(piece)
	}
	if !withinCharacter || !join(t, p.Body.Bytes()).done {
		t.Error("no character was cut, or the stream is incomplete")
	}
}

func TestPollinationsChat(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.PollinationsURL() + "/v1/chat/completions"
	body := `{"messages":[{"role":"system","content":"Translate."},{"role":"user","content":[{"type":"text","text":"你好"},{"type":"image_url"}]}]`
	a := post(t, target, body+`,"model":"openai"}`)
	fields := a.fields(t)
	if at(t, fields, "choices", 0, "message", "content") != "Hello" || !strings.HasPrefix(at(t, fields, "id").(string), "pllns_") {
		t.Errorf("%s", a.body)
	}
	if strings.Contains(string(a.body), "prompt_cache_hit_tokens") {
		t.Error("Pollinations reports the cache of DeepSeek")
	}
	if got := join(t, post(t, target, body+`,"stream":true}`).body); got.usages != 0 || got.content != "Hello" || !got.done {
		t.Errorf("stream: %+v", got)
	}
	if got := join(t, post(t, target, body+`,"stream":true,"stream_options":{"include_usage":true}}`).body); got.bareUsages != 1 {
		t.Errorf("stream with usage: %+v", got)
	}
	for body, message := range map[string]string{
		body + `,"model":"gpt-9"}`: `Invalid model: "gpt-9"`,
		`{"messages":[]}`:          "JSON body validation failed",
		`{"messages":"x"}`:         "JSON body validation failed",
		`not json`:                 "Malformed JSON in request body",
	} {
		a := post(t, target, body)
		if got := at(t, a.fields(t), "error", "message"); a.status != http.StatusBadRequest || got != message {
			t.Errorf("%s: status %d, %q", body, a.status, got)
		}
	}
}

func TestDeepSeekRejectsInvalidRequests(t *testing.T) {
	t.Parallel()
	s := simulatortest.StartWith(t, simulator.Config{Keys: []string{"sk_test"}})
	target := s.DeepSeekURL() + "/chat/completions"
	user := `"messages":[{"role":"user","content":"x"}]`
	for _, test := range []struct {
		body, key     string
		status        int
		message, kind string
	}{
		{`{"model":"deepseek-chat",` + user + `}`, "", 400, "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-chat.", "invalid_request_error"},
		{`{"model":"deepseek-reasoner",` + user + `}`, "", 400, "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed deepseek-reasoner.", "invalid_request_error"},
		{`{"model":"gpt-9",` + user + `}`, "", 400, "Model Not Exist", "invalid_request_error"},
		{`{"model":7}`, "", 400, "Failed to deserialize the JSON body into the target type: model: invalid input: expected string, received number at line 1 column 10", "invalid_request_error"},
		{"{\n]", "", 400, "Failed to deserialize the JSON body into the target type: expected value at line 2 column 1", "invalid_request_error"},
		{`{"model":"deepseek-flash"}`, "", 400, "Empty input messages", "invalid_request_error"},
		{`{"model":"deepseek-flash","messages":[{"role":"poet","content":"x"}]}`, "", 400, "messages[0].role: unknown variant `poet`", "invalid_request_error"},
		{`{"model":"deepseek-flash","messages":[{"role":"user"}]}`, "", 400, "messages[0]: missing field `content`", "invalid_request_error"},
		{`{"model":"deepseek-flash","response_format":{"type":"json_object"},` + user + `}`, "", 400, "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.", "invalid_request_error"},
		{`{"model":"deepseek-flash","temperature":2.1,` + user + `}`, "", 422, "Invalid temperature value, the valid range of temperature is [0, 2]", "invalid_request_error"},
		{`{"model":"deepseek-flash","top_p":1.1,` + user + `}`, "", 422, "Invalid top_p value, the valid range of top_p is (0, 1.0]", "invalid_request_error"},
		{`{"model":"deepseek-flash","max_tokens":0,` + user + `}`, "", 422, "Invalid max_tokens value, the valid range of max_tokens is [1, 393216]", "invalid_request_error"},
		{`{"model":"deepseek-flash","thinking":{"type":"on"},` + user + `}`, "", 422, "thinking.type: unknown variant `on`, expected `enabled` or `disabled`", "invalid_request_error"},
		{`{}`, "Bearer sk-00000000fcc2", 401, "Authentication Fails, Your api key: ****fcc2 is invalid", "authentication_error"},
		{`{}`, "Token sk_test", 401, "Authentication Fails (auth header format should be Bearer sk-...)", "authentication_error"},
	} {
		var header []string
		if test.key != "" {
			header = []string{"Authorization", test.key}
		}
		a := post(t, target, test.body, header...)
		fields := a.fields(t)
		if a.status != test.status || at(t, fields, "error", "message") != test.message || at(t, fields, "error", "type") != test.kind || at(t, fields, "error", "code") != "invalid_request_error" {
			t.Errorf("%s: status %d, %s", test.body, a.status, a.body)
		}
		if !bytes.Contains(a.body, []byte(`"param":null`)) {
			t.Errorf("%s: param is missing", test.body)
		}
	}
}
