package deepseek_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// ask returns the text of a completion.
func ask(t *testing.T, s *simulator.Simulator, system, user string) string {
	t.Helper()
	a := wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet, system, user))
	return wiretest.At(t, a.Fields(t), "choices", 0, "message", "content").(string)
}

func TestDeepSeekCompletion(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	long := strings.Repeat("You improve prompts for an image model. ", 20)
	for round, prefix := range []string{"/chat/completions", "/v1/chat/completions"} {
		a := wiretest.Post(t, s.DeepSeekURL()+prefix, wiretest.ChatBody("", long, "a cat"))
		if a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("status %d, %s", a.Status, a.Header.Get("Content-Type"))
		}
		if keys := wiretest.KeysInOrder(t, a.Body); !slices.Equal(keys, []string{"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}) {
			t.Errorf("keys %v", keys)
		}
		fields := a.Fields(t)
		usage := func(path ...any) float64 { return wiretest.At(t, fields, append([]any{"usage"}, path...)...).(float64) }
		hit, miss := usage("prompt_cache_hit_tokens"), usage("prompt_cache_miss_tokens")
		if hit+miss != usage("prompt_tokens") || usage("prompt_tokens")+usage("completion_tokens") != usage("total_tokens") || usage("prompt_tokens_details", "cached_tokens") != hit {
			t.Errorf("usage does not add up: %v", wiretest.At(t, fields, "usage"))
		}
		if round == 0 && hit != 0 || round == 1 && (hit == 0 || int(hit)%64 != 0) {
			t.Errorf("round %d: %v cached tokens", round, hit)
		}
		if wiretest.At(t, fields, "choices", 0, "finish_reason") != "stop" || wiretest.At(t, fields, "object") != "chat.completion" || wiretest.At(t, fields, "model") != "deepseek-flash" {
			t.Error("finish_reason, object or model is wrong")
		}
		// Reasoning is on by default.
		if wiretest.At(t, fields, "choices", 0, "message", "reasoning_content") == nil || usage("completion_tokens_details", "reasoning_tokens") == 0 {
			t.Error("it has no reasoning")
		}
	}
	fields := wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet, wiretest.Improver, "a cat")).Fields(t)
	if wiretest.At(t, fields, "choices", 0, "message", "reasoning_content") != nil || wiretest.At(t, fields, "usage", "completion_tokens_details") != nil {
		t.Error("it has reasoning although that is disabled")
	}
}

func TestImprovement(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, text := range []string{"a cat on a roof", "一只猫在月光下", "oil painting of a lighthouse at sunset, warm light", "🙂", strings.Repeat("long ", 700)} {
		better := ask(t, s, wiretest.Improver, text)
		if !strings.HasPrefix(better, strings.TrimSpace(text)) || len(better) <= len(text) {
			t.Errorf("%.30q became %.80q", text, better)
		}
		if better != ask(t, s, wiretest.Improver, text) {
			t.Errorf("%.30q is not improved deterministically", text)
		}
		if wrapped := ask(t, s, wiretest.Improver, "Prompt:\n<text>\n"+text+"\n</text>"); wrapped != better {
			t.Errorf("%.30q wrapped became %.80q", text, wrapped)
		}
	}
	if better := ask(t, s, wiretest.Improver, "oil painting of a dog"); strings.Contains(better, "photo") {
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
		if got := ask(t, s, wiretest.Translator, text); got != want {
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
	if got := ask(t, s, wiretest.Improver, "  "); got == "" {
		t.Error("no response to an empty message")
	}
	fields := wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet+`"response_format":{"type":"json_object"},`, wiretest.Translator+" Answer in JSON.", "你好")).Fields(t)
	var result map[string]string
	if err := json.Unmarshal([]byte(wiretest.At(t, fields, "choices", 0, "message", "content").(string)), &result); err != nil || result["result"] != "Hello" {
		t.Errorf("%v, %v", result, err)
	}
}

func TestCompletionLimits(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	fields := wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet+`"max_tokens":3,`, wiretest.Improver, "a cat in the garden")).Fields(t)
	if content := wiretest.At(t, fields, "choices", 0, "message", "content").(string); wiretest.At(t, fields, "choices", 0, "finish_reason") != "length" || len(content) > 12 || content == "" {
		t.Errorf("max_tokens: %q", content)
	}
	fields = wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet+`"stop":["garden"],`, wiretest.Improver, "a cat in the garden")).Fields(t)
	if content := wiretest.At(t, fields, "choices", 0, "message", "content").(string); content != "a cat in the " {
		t.Errorf("stop: %q", content)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	want := ask(t, s, wiretest.Improver, "一只猫 with emoji 🙂")
	for name, test := range map[string]struct {
		fault, extra string
		usages, bare int
		comments     bool
		thinks       bool
	}{
		"plain":         {extra: wiretest.Quiet, usages: 1},
		"thinking":      {usages: 1, thinks: true},
		"include usage": {extra: wiretest.Quiet + `"stream_options":{"include_usage":true},`, usages: 1},
		"usage apart":   {fault: "usage_chunk", extra: wiretest.Quiet, usages: 1, bare: 1},
		"keep-alive":    {fault: "keepalive_comments", extra: wiretest.Quiet, usages: 1, comments: true},
		"split chunks":  {fault: "split_chunks", extra: wiretest.Quiet, usages: 1},
		"temperature":   {extra: wiretest.Quiet + `"temperature":1.3,`, usages: 1},
	} {
		if test.fault != "" {
			simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindChat, Fault: test.fault, Times: 1})
		}
		a := wiretest.Post(t, s.DeepSeekURL()+"/v1/chat/completions", wiretest.ChatBody(`"stream":true,`+test.extra, wiretest.Improver, "一只猫 with emoji 🙂"))
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") || !utf8.Valid(a.Body) {
			t.Fatalf("%s: %s", name, a.Header.Get("Content-Type"))
		}
		got := wiretest.Join(t, a.Body)
		if got.Content != want || got.Finish != "stop" || !got.Done || got.Usages != test.usages || got.BareUsages != test.bare ||
			(got.Comments > 0) != test.comments || (got.Reasoning != "") != test.thinks {
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
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/deepseek/chat/completions", strings.NewReader(wiretest.ChatBody(wiretest.Quiet+`"stream":true,`, wiretest.Improver, "一只猫在月光下")))
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
	if !withinCharacter || !wiretest.Join(t, p.Body.Bytes()).Done {
		t.Error("no character was cut, or the stream is incomplete")
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
		a := wiretest.Post(t, target, test.body, header...)
		fields := a.Fields(t)
		if a.Status != test.status || wiretest.At(t, fields, "error", "message") != test.message || wiretest.At(t, fields, "error", "type") != test.kind || wiretest.At(t, fields, "error", "code") != "invalid_request_error" {
			t.Errorf("%s: status %d, %s", test.body, a.Status, a.Body)
		}
		if !bytes.Contains(a.Body, []byte(`"param":null`)) {
			t.Errorf("%s: param is missing", test.body)
		}
	}
}
