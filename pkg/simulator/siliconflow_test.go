package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// siliconFlowBody returns a request to improve a prompt, with extra fields before the
// messages.
func siliconFlowBody(extra, user string) string {
	return fmt.Sprintf(`{"model":"deepseek-ai/DeepSeek-V4-Flash",%s"messages":[{"role":"system","content":%q},{"role":"user","content":%q}]}`, extra, improver, user)
}

// siliconFlowFaultTable lists the expected responses of SiliconFlow.
func siliconFlowFaultTable() map[string][]expected {
	siliconFlow := func(status int, body string) []expected {
		return []expected{{sample: "siliconflow", status: status, contentType: jsonType, part: body, check: func(t *testing.T, a response) {
			t.Helper()
			if string(a.body) != body || a.header.Get("Retry-After") != "" {
				t.Errorf("%s, Retry-After %q", a.body, a.header.Get("Retry-After"))
			}
		}}}
	}
	limit := func(name string) []expected {
		return siliconFlow(429, `{"message":"Request was rejected due to rate limiting. Details: `+name+` limit reached.","data":null}`)
	}
	missing := siliconFlow(400, `{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}`)
	return map[string][]expected{
		"bad_request":      {{sample: "siliconflow", status: 400, part: `{"code":20015,"message":"Value error, `}},
		"unprocessable":    {{sample: "siliconflow", status: 400, part: `{"code":20015,`}},
		"unauthorized":     siliconFlow(401, `"Api key is invalid"`),
		"no_balance":       {{sample: "siliconflow", status: 403, part: `{"code":30001,`}},
		"forbidden":        {{sample: "siliconflow", status: 403, part: `{"message":`}},
		"rate_limited":     limit("TPM"),
		"concurrency":      limit("RPM"),
		"limit_rpm":        limit("RPM"),
		"limit_rph":        limit("RPH"),
		"limit_rpd":        limit("RPD"),
		"limit_tpd":        limit("TPD"),
		"limit_ipm":        limit("IPM"),
		"limit_ipd":        limit("IPD"),
		"unavailable":      siliconFlow(503, `{"code":50508,"message":"System is too busy now. Please try again later.","data":null}`),
		"model_overloaded": {{sample: "siliconflow", status: 503, part: `{"code":50505,`}},
		"unknown_model":    missing,
		"retired_model":    missing,
		"prompt_too_long":  siliconFlow(400, `{"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null}`),
		"server_error":     {{sample: "siliconflow", status: 500, part: `"data":null}`}},
		"gateway_timeout":  {{sample: "siliconflow", status: 504, part: `"data":null}`}},
		"blank_lines":      {{sample: "siliconflow", status: 200, part: "\n\n\n{"}},
		"thinking_refused": {{sample: "siliconflow", status: 200}},
		"html_502":         {{sample: "siliconflow", status: 502, contentType: htmlType}},
	}
}

func TestSiliconFlowReasoning(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for extra, thinks := range map[string]bool{
		"":                              true,
		`"enable_thinking":true,`:       true,
		`"enable_thinking":false,`:      false,
		`"thinking_budget":128,`:        true,
		quiet:                           true, // DeepSeek's own field is not known here.
		`"reasoning_effort":"max",`:     true,
		`"top_k":50,"min_p":0.1,"n":1,`: true,
	} {
		a := post(t, s.SiliconFlowURL()+"/chat/completions", siliconFlowBody(extra, "a cat"))
		if a.status != http.StatusOK {
			t.Errorf("%s: status %d, %s", extra, a.status, a.body)
			continue
		}
		message := at(t, a.fields(t), "choices", 0, "message").(map[string]any)
		if (message["reasoning_content"] != nil) != thinks || !strings.HasPrefix(message["content"].(string), "a cat") {
			t.Errorf("%s: %v", extra, message)
		}
		if strings.Contains(string(a.body), "prompt_cache_hit_tokens") {
			t.Errorf("%s: it reports the cache of DeepSeek", extra)
		}
	}
	stream := join(t, post(t, s.SiliconFlowURL()+"/chat/completions", siliconFlowBody(`"stream":true,"enable_thinking":false,`, "一只猫")).body)
	if !stream.done || stream.usages != 1 || stream.reasoning != "" || !strings.HasPrefix(stream.content, "一只猫") {
		t.Errorf("stream: %+v", stream)
	}
	if call := s.Calls(simulator.KindChat)[0]; call.Dialect != simulator.DialectSiliconFlow || call.Prompt != "a cat" {
		t.Errorf("recorded: %+v", call)
	}
	simulatortest.Script(t, s, simulator.Rule{Dialect: simulator.DialectSiliconFlow, Fault: "thinking_refused"})
	for _, extra := range []string{quiet, `"enable_thinking":false,`} {
		if a := post(t, s.SiliconFlowURL()+"/chat/completions", siliconFlowBody(extra, "a cat")); a.status != http.StatusBadRequest || !strings.HasPrefix(string(a.body), `{"code":20015,`) {
			t.Errorf("rejected %s: status %d, %s", extra, a.status, a.body)
		}
	}
}

func TestSiliconFlowRejectsInvalidRequests(t *testing.T) {
	t.Parallel()
	s := simulatortest.StartWith(t, simulator.Config{Keys: []string{"sk_test"}})
	user := `"messages":[{"role":"user","content":"x"}]}`
	const model = `{"model":"deepseek-ai/DeepSeek-V3",`
	for _, test := range []struct {
		body, key string
		status    int
		want      string
	}{
		{`{"model":"deepseek-flash",` + user, "", 400, `{"code":20012,`},
		{`{"model":"deepseek-ai/DeepSeek-V2.5",` + user, "", 400, `{"code":20012,`},
		{`{"model":"DeepSeek-V3",` + user, "", 400, `{"code":20012,`},
		{`{` + user, "", 400, `{"code":20012,`},
		{`{"model":"Pro/deepseek-ai/DeepSeek-V3",` + user, "", 200, ""},
		{`nothing`, "", 400, `{"code":20015,`},
		{model + `"messages":[]}`, "", 400, `{"code":20015,`},
		{model + `"temperature":2.1,` + user, "", 400, `{"code":20015,`},
		{model + `"stop":["a","b","c","d","e"],` + user, "", 400, `{"code":20015,`},
		{model + `"thinking_budget":127,` + user, "", 400, `{"code":20015,`},
		{model + `"reasoning_effort":"low",` + user, "", 400, `{"code":20015,`},
		{model + `"messages":[{"role":"user","content":"` + strings.Repeat("word ", 60_000) + `"}]}`, "", 400, `{"code":20015,"message":"length of prompt_tokens (`},
		{model + user, "Bearer sk_bad", 401, `"Api key is invalid"`},
		{model + user, "Token sk_test", 401, `"Invalid token"`},
	} {
		var header []string
		if test.key != "" {
			header = []string{"Authorization", test.key}
		}
		a := post(t, s.SiliconFlowURL()+"/chat/completions", test.body, header...)
		if a.status != test.status || !strings.HasPrefix(string(a.body), test.want) || !json.Valid(a.body) {
			t.Errorf("%.80s: status %d, %.200s", test.body, a.status, a.body)
		}
	}
}

func TestSiliconFlowListsAndAccount(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	fields := get(t, s.SiliconFlowURL()+"/models").fields(t)
	if at(t, fields, "object") != "list" || at(t, fields, "data", 0, "id") != "deepseek-ai/DeepSeek-V4-Flash" || at(t, fields, "data", 1, "id") != "Pro/deepseek-ai/DeepSeek-V4-Flash" {
		t.Errorf("%v", fields)
	}
	fields = get(t, s.SiliconFlowURL()+"/user/info").fields(t)
	if at(t, fields, "data", "totalBalance") != "8.44" || at(t, fields, "data", "chargeBalance") != "8.44" || at(t, fields, "data", "balance") != "0.00" {
		t.Errorf("%v", fields)
	}
	if a := get(t, s.SiliconFlowURL()+"/user/info", "Authorization", ""); a.status != http.StatusUnauthorized || string(a.body) != `"Invalid token"` {
		t.Errorf("status %d, %s", a.status, a.body)
	}
	upstreams := get(t, s.URL()+"/_control/upstreams").fields(t)
	want := []string{s.PollinationsURL(), s.DeepSeekURL(), s.SiliconFlowURL(), s.LegacyImageURL(), s.LegacyTextURL()}
	for n, dialect := range []simulator.Dialect{
		simulator.DialectPollinations, simulator.DialectDeepSeek, simulator.DialectSiliconFlow, simulator.DialectLegacyImage, simulator.DialectLegacyText,
	} {
		if upstreams[string(dialect)] != want[n] || slices.Contains(want[:n], want[n]) {
			t.Errorf("%s is at %v, want %s", dialect, upstreams[string(dialect)], want[n])
		}
	}
}
