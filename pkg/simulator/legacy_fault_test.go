package simulator_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// legacyFaultTable lists the expected responses of the legacy hosts.
func legacyFaultTable() map[string][]expected {
	image := func(status int, part string) expected {
		return expected{sample: "legacy image", status: status, contentType: jsonType, part: part, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			fields := a.Fields(t)
			if title := http.StatusText(status); fields["error"] != title || a.Header.Get("X-Error-Type") != title || fields["message"] == "" {
				t.Errorf("X-Error-Type %q, %s", a.Header.Get("X-Error-Type"), a.Body)
			}
			if a.Header.Get("Retry-After") != "" {
				t.Error("it has a Retry-After")
			}
		}}
	}
	text := func(status int, part string) expected {
		return expected{sample: "legacy chat", status: status, contentType: jsonType, part: part, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			fields := a.Fields(t)
			if message, _ := fields["error"].(string); message == "" || fields["status"] != float64(status) || a.Header.Get("Retry-After") != "" {
				t.Errorf("Retry-After %q, %s", a.Header.Get("Retry-After"), a.Body)
			}
		}}
	}
	full := func(sample expected) expected {
		inner := sample.check
		sample.check = func(t *testing.T, a wiretest.Response) {
			t.Helper()
			inner(t, a)
			fields := a.Fields(t)
			queue, ok := fields["queueInfo"].(map[string]any)
			if !ok {
				queue = wiretest.At(t, fields, "details", "queueInfo").(map[string]any)
			}
			for name, want := range map[string]any{"ip": "192.0.2.1", "currentSize": 1.0, "pending": 1.0, "total": 2.0, "maxAllowed": 1.0, "username": nil, "userId": nil, "tier": "anonymous"} {
				if got, there := queue[name]; got != want || !there {
					t.Errorf("queueInfo.%s is %v", name, got)
				}
			}
		}
		return sample
	}
	modern := func(sample string) expected {
		return expected{sample: sample, status: 429, part: "Sana is limited to one request per IP every 45 seconds. Retry after 45s.", header: [2]string{"Retry-After", "45"}, check: wiretest.CheckEnvelope}
	}
	payment := expected{sample: "legacy image", status: 402, part: `{"x402Version":1,"error":"Queue full for IP: 192.0.2.1: 1 requests already queued (max: 1).`, check: func(t *testing.T, a wiretest.Response) {
		t.Helper()
		fields := a.Fields(t)
		if wiretest.At(t, fields, "accepts", 0, "network") != "base" || wiretest.At(t, fields, "accepts", 0, "maxAmountRequired") != "1000" || a.Header.Get("PAYMENT-REQUIRED") != "" {
			t.Errorf("%s", a.Body)
		}
	}}
	spoken := func(part string) expected {
		return expected{sample: "spoken chat", status: 200, contentType: jsonType, part: part}
	}
	page := func(status int) []expected {
		return []expected{{sample: "legacy image", status: status, contentType: htmlType}, {sample: "legacy text", status: status, contentType: htmlType}}
	}
	table := map[string][]expected{
		"bad_request":           {image(400, ""), text(400, "")},
		"unauthorized":          {image(401, ""), text(401, `{"error":"Unauthorized"`)},
		"forbidden":             {image(403, ""), text(403, `{"error":"Forbidden","status":403,"details":{"blockedIp":"192.0.2.1","timestamp":"20`)},
		"no_balance":            {payment, text(402, `"error":"Model not found or tier not high enough. Your tier: anonymous, required tier: seed.`)},
		"x402":                  {payment},
		"not_found":             {image(404, ""), text(404, "")},
		"moderated":             {image(400, `"message":"Content is prohibited"`), text(400, "Content is prohibited")},
		"rate_limited":          {full(image(429, `"message":"Queue full for IP: 192.0.2.1: 1 requests already queued (max: 1). Get unlimited access at `)), full(text(429, "Queue full for IP"))},
		"concurrency":           {full(image(429, "Queue full for IP"))},
		"rate_limited_pk":       {image(429, ""), text(429, "")},
		"rate_limited_interval": {modern("legacy image"), modern("legacy chat")},
		"server_error":          {image(500, `"message":"No active flux servers available"`), text(500, "")},
		"openai_audio_gone":     {text(404, `{"error":"Model not found: openai-audio. `)},
		"retired_model":         {text(404, `{"error":"Model not found: openai-audio. `)},
		"unknown_model":         {text(404, `{"error":"Model not found: x. `)},
		"html_502":              page(502),
		"html_504":              page(504),
		"html_524":              page(524),
		"text_530":              {{sample: "legacy image", status: 530, contentType: textType, part: "error code: 1033"}},
		"truncated":             {{sample: "legacy image", broken: true, status: 200}, {sample: "legacy speech", broken: true, status: 200}},
		"garbage":               {{sample: "legacy speech", status: 200, contentType: "audio/mpeg"}, spoken("upstream")},
		"empty_content":         {spoken(`"audio":{"id":"audio_`)},
		"audio_answers":         {spoken(`"transcript":"Sure, here is what I think. You said: hello there"`)},
		"legacy_spacing":        {{sample: "legacy image", status: 200, contentType: "image/jpeg"}, {status: 200}},
		"legacy_deprecated": {
			{sample: "legacy image", status: 200, contentType: "image/jpeg", check: func(t *testing.T, a wiretest.Response) {
				t.Helper()
				for _, name := range []string{"X-Pollinations-Migration", "X-Pollinations-Docs", "X-Pollinations-Signup"} {
					if !strings.HasPrefix(a.Header.Get(name), "https://") {
						t.Errorf("%s is %q", name, a.Header.Get(name))
					}
				}
				if link := a.Header.Get("Link"); !strings.Contains(link, `rel="deprecation"`) || !strings.Contains(link, `rel="successor-version"`) {
					t.Errorf("Link: %s", link)
				}
			}},
			{sample: "legacy text", status: 200, header: [2]string{"X-Pollinations-Docs", "https://gen.invalid/docs"}},
			{status: 200, header: [2]string{"X-Pollinations-Docs", ""}},
		},
	}
	for fault, status := range map[string]int{"legacy_token_401": 401, "legacy_token_402": 402, "legacy_token_403": 403} {
		table[fault] = []expected{image(status, ""), text(status, ""), {status: 200}}
	}
	for _, fault := range []string{"error_picture", "error_picture_bare", "error_picture_large"} {
		table[fault] = []expected{{sample: "legacy image", status: 200, contentType: "image/jpeg"}}
	}
	return table
}

// TestErrorImagesAreAlwaysTheSame checks that a client can recognize them by their
// bytes, which do not depend on the request.
func TestErrorImagesAreAlwaysTheSame(t *testing.T) {
	t.Parallel()
	one, two := simulatortest.Start(t), simulatortest.Start(t)
	for _, fault := range []string{"error_picture", "error_picture_bare", "error_picture_large", "error_picture_throttled"} {
		simulatortest.Script(t, one, simulator.Rule{Fault: fault, Times: 1})
		simulatortest.Script(t, two, simulator.Rule{Fault: fault, Times: 1})
		a, b := wiretest.Get(t, one.LegacyImageURL()+"/prompt/cat?width=64&height=64"), wiretest.Get(t, two.URL()+"/image/dog?seed=7")
		if !slices.Equal(a.Body, b.Body) {
			t.Errorf("%s: %d and %d bytes differ", fault, len(a.Body), len(b.Body))
		}
	}
}
