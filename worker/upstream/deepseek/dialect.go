package deepseek

import (
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// The default models.
const (
	DefaultModel            = "deepseek-flash"
	DefaultSiliconFlowModel = "deepseek-ai/DeepSeek-V4-Flash"
)

const modelSetting = "DEEPSEEK_MODEL"

// isSiliconFlow reports whether the service at a URL is SiliconFlow, whose requests differ from DeepSeek's. For an unknown
// host, such as a proxy or a gateway, the name of the model decides: names at SiliconFlow start with the publisher.
func isSiliconFlow(base, model string) bool {
	host := hostOf(base)
	return isSiliconFlowHost(host) || !isHost(host, "deepseek.com") && strings.Contains(model, "/")
}

func isSiliconFlowHost(host string) bool { return isHost(host, "siliconflow.cn", "siliconflow.com") }

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// isHost reports whether the host is one of the names or a subdomain of one.
func isHost(host string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return host == name || strings.HasSuffix(host, "."+name) })
}

// withVersion adds the version to a base URL of SiliconFlow without one. DeepSeek accepts both.
func withVersion(base string) string {
	u, err := url.Parse(base)
	if err == nil && u.Path == "" && isSiliconFlowHost(hostOf(base)) {
		return base + "/v1"
	}
	return base
}

// currentModel returns the model to request. It replaces retired names, which may still be in the settings of old
// installations.
func currentModel(name string, siliconFlow bool, logger *slog.Logger) string {
	standard := DefaultModel
	if siliconFlow {
		standard = DefaultSiliconFlowModel
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return standard
	}
	if !slices.Contains([]string{"deepseek-chat", "deepseek-reasoner"}, strings.ToLower(name)) {
		return name
	}
	if logger != nil {
		logger.Warn("language model is no longer available, using another one", "model", name, "replaced_by", standard)
	}
	return standard
}

// thinkingPattern matches the message of an upstream that rejects the thinking parameter.
var thinkingPattern = regexp.MustCompile(`(?i)enable_thinking|(?:argument|parameter|field|not support)[^.]{0,40}\bthinking\b`)

// amend reclassifies two errors to which the table does not apply.
func (c *Client) amend(f *fault.Error) {
	if f.Class != fault.Permanent || f.Code != job.CodeRejected {
		return
	}
	detail := strings.ToLower(f.Detail)
	switch {
	case !c.noThinking.Load() && thinkingPattern.MatchString(detail):
		// Models that cannot think reject the parameter. All later requests omit it.
		c.noThinking.Store(true)
		f.Class, f.Code = fault.Retryable, job.CodeUnavailable
	case c.plain && f.Status == http.StatusNotFound,
		slices.ContainsFunc(unknownModelMessages(), func(phrase string) bool { return strings.Contains(detail, phrase) }):
		// The model is from the operator's settings and not from the user, so no request succeeds until they change.
		f.Class, f.Code = fault.Misconfigured, job.CodeMisconfigured
		f.Detail = c.settings[1] + " names a model that is not served: " + f.Detail
	}
}

// unknownModelMessages returns phrases in the upstreams' messages about a retired or unknown model, in lower case.
func unknownModelMessages() []string {
	return []string{"model not exist", "supported api model names", "model does not exist"}
}
