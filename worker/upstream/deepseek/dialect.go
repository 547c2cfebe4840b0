package deepseek

import (
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// The models asked when none is configured.
const (
	DefaultModel            = "deepseek-flash"
	DefaultSiliconFlowModel = "deepseek-ai/DeepSeek-V4-Flash"
)

// The services whose requests differ.
const (
	DialectDeepSeek    = "deepseek"
	DialectSiliconFlow = "siliconflow"
)

const modelSetting = "DEEPSEEK_MODEL"

// dialectOf returns the dialect of the service at a URL. An unknown host is a proxy, a gateway or a simulator, for which
// the name of the model decides: SiliconFlow puts the publisher first.
func dialectOf(named, base, model string) (string, error) {
	switch named {
	case DialectDeepSeek, DialectSiliconFlow:
		return named, nil
	case "":
	default:
		return "", errors.New("dialect of the language model is unknown")
	}
	host := hostOf(base)
	switch {
	case isHost(host, "siliconflow.cn", "siliconflow.com"):
		return DialectSiliconFlow, nil
	case isHost(host, "deepseek.com"):
		return DialectDeepSeek, nil
	case strings.Contains(model, "/"):
		return DialectSiliconFlow, nil
	}
	return DialectDeepSeek, nil
}

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

// withVersion adds the version to a base URL of SiliconFlow without one. DeepSeek's routes work with and without.
func withVersion(base string) string {
	u, err := url.Parse(base)
	if err == nil && u.Path == "" && isHost(hostOf(base), "siliconflow.cn", "siliconflow.com") {
		return base + "/v1"
	}
	return base
}

// currentModel returns the model to request. It replaces retired names, which old installations still have in their
// settings.
func currentModel(name, dialect string, logger *slog.Logger) string {
	usual := DefaultModel
	if dialect == DialectSiliconFlow {
		usual = DefaultSiliconFlowModel
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return usual
	}
	if !slices.Contains([]string{"deepseek-chat", "deepseek-reasoner"}, strings.ToLower(name)) {
		return name
	}
	if logger != nil {
		logger.Warn("language model is no longer available, using another one", "model", name, "replaced_by", usual)
	}
	return usual
}

// thinkingPattern matches a refusal of the thinking parameter.
var thinkingPattern = regexp.MustCompile(`(?i)enable_thinking|(?:argument|parameter|field|not support)[^.]{0,40}\bthinking\b`)

// amend reclassifies two errors for which the table is wrong here.
func (c *Client) amend(f *fault.Error) {
	if f.Class != fault.Permanent || f.Code != job.CodeRejected {
		return
	}
	said := strings.ToLower(f.Detail)
	switch {
	case !c.plain.Load() && thinkingPattern.MatchString(said):
		// Models that cannot think refuse the parameter. All later requests leave it out.
		c.plain.Store(true)
		f.Class, f.Code = fault.Retryable, job.CodeUnavailable
	case slices.ContainsFunc(unknownModelMessages(), func(phrase string) bool { return strings.Contains(said, phrase) }):
		// Elsewhere a user chooses the model, and only that request is refused. Here the operator's settings name it, so no
		// request succeeds until they change.
		f.Class, f.Code = fault.Misconfigured, job.CodeMisconfigured
		f.Detail = modelSetting + " names a model that is not served: " + f.Detail
	}
}

// unknownModelMessages returns what upstreams say of a model that is retired or unknown.
func unknownModelMessages() []string {
	return []string{"model not exist", "supported api model names", "model does not exist"}
}
