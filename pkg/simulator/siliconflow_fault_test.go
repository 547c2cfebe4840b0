package simulator_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
)

// siliconFlowFaultTable lists the expected responses of SiliconFlow.
func siliconFlowFaultTable() map[string][]expected {
	siliconFlow := func(status int, body string) []expected {
		return []expected{{sample: "siliconflow", status: status, contentType: jsonType, part: body, check: func(t *testing.T, a wiretest.Response) {
			t.Helper()
			if string(a.Body) != body || a.Header.Get("Retry-After") != "" {
				t.Errorf("%s, Retry-After %q", a.Body, a.Header.Get("Retry-After"))
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
