package siliconflow_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestSiliconFlowReasoning(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for extra, thinks := range map[string]bool{
		"":                              true,
		`"enable_thinking":true,`:       true,
		`"enable_thinking":false,`:      false,
		`"thinking_budget":128,`:        true,
		wiretest.Quiet:                  true, // DeepSeek's own field is not known here.
		`"reasoning_effort":"max",`:     true,
		`"top_k":50,"min_p":0.1,"n":1,`: true,
	} {
		a := wiretest.Post(t, s.SiliconFlowURL()+"/chat/completions", wiretest.SiliconFlowBody(extra, "a cat"))
		if a.Status != http.StatusOK {
			t.Errorf("%s: status %d, %s", extra, a.Status, a.Body)
			continue
		}
		message := wiretest.At(t, a.Fields(t), "choices", 0, "message").(map[string]any)
		if (message["reasoning_content"] != nil) != thinks || !strings.HasPrefix(message["content"].(string), "a cat") {
			t.Errorf("%s: %v", extra, message)
		}
		if strings.Contains(string(a.Body), "prompt_cache_hit_tokens") {
			t.Errorf("%s: it reports the cache of DeepSeek", extra)
		}
	}
	stream := wiretest.Join(t, wiretest.Post(t, s.SiliconFlowURL()+"/chat/completions", wiretest.SiliconFlowBody(`"stream":true,"enable_thinking":false,`, "一只猫")).Body)
	if !stream.Done || stream.Usages != 1 || stream.Reasoning != "" || !strings.HasPrefix(stream.Content, "一只猫") {
		t.Errorf("stream: %+v", stream)
	}
	if call := s.Calls(simulator.KindChat)[0]; call.Dialect != simulator.DialectSiliconFlow || call.Prompt != "a cat" {
		t.Errorf("recorded: %+v", call)
	}
	simulatortest.Script(t, s, simulator.Rule{Dialect: simulator.DialectSiliconFlow, Fault: "thinking_refused"})
	for _, extra := range []string{wiretest.Quiet, `"enable_thinking":false,`} {
		if a := wiretest.Post(t, s.SiliconFlowURL()+"/chat/completions", wiretest.SiliconFlowBody(extra, "a cat")); a.Status != http.StatusBadRequest || !strings.HasPrefix(string(a.Body), `{"code":20015,`) {
			t.Errorf("rejected %s: status %d, %s", extra, a.Status, a.Body)
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
		a := wiretest.Post(t, s.SiliconFlowURL()+"/chat/completions", test.body, header...)
		if a.Status != test.status || !strings.HasPrefix(string(a.Body), test.want) || !json.Valid(a.Body) {
			t.Errorf("%.80s: status %d, %.200s", test.body, a.Status, a.Body)
		}
	}
}

func TestSiliconFlowListsAndAccount(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	fields := wiretest.Get(t, s.SiliconFlowURL()+"/models").Fields(t)
	if wiretest.At(t, fields, "object") != "list" || wiretest.At(t, fields, "data", 0, "id") != "deepseek-ai/DeepSeek-V4-Flash" || wiretest.At(t, fields, "data", 1, "id") != "Pro/deepseek-ai/DeepSeek-V4-Flash" {
		t.Errorf("%v", fields)
	}
	fields = wiretest.Get(t, s.SiliconFlowURL()+"/user/info").Fields(t)
	if wiretest.At(t, fields, "data", "totalBalance") != "8.44" || wiretest.At(t, fields, "data", "chargeBalance") != "8.44" || wiretest.At(t, fields, "data", "balance") != "0.00" {
		t.Errorf("%v", fields)
	}
	if a := wiretest.Get(t, s.SiliconFlowURL()+"/user/info", "Authorization", ""); a.Status != http.StatusUnauthorized || string(a.Body) != `"Invalid token"` {
		t.Errorf("status %d, %s", a.Status, a.Body)
	}
	upstreams := wiretest.Get(t, s.URL()+"/_control/upstreams").Fields(t)
	want := []string{s.PollinationsURL(), s.DeepSeekURL(), s.SiliconFlowURL(), s.LegacyImageURL(), s.LegacyTextURL()}
	for n, dialect := range []simulator.Dialect{
		simulator.DialectPollinations, simulator.DialectDeepSeek, simulator.DialectSiliconFlow, simulator.DialectLegacyImage, simulator.DialectLegacyText,
	} {
		if upstreams[string(dialect)] != want[n] || slices.Contains(want[:n], want[n]) {
			t.Errorf("%s is at %v, want %s", dialect, upstreams[string(dialect)], want[n])
		}
	}
}
