package simulator

import "strings"

// Dialect is the upstream whose manners a route keeps.
type Dialect string

// The dialects spoken. The two legacy hosts of Pollinations word their errors
// differently, so that they are two.
const (
	DialectPollinations Dialect = "pollinations"
	DialectLegacyImage  Dialect = "legacy-image"
	DialectLegacyText   Dialect = "legacy-text"
	DialectDeepSeek     Dialect = "deepseek"
	DialectSiliconFlow  Dialect = "siliconflow"
	DialectGoogle       Dialect = "google"
)

// The paths under which the upstreams live that are not the gateway.
const (
	deepSeekPrefix    = "/deepseek"
	siliconFlowPrefix = "/siliconflow"
	legacyImagePrefix = "/legacy-image"
	legacyTextPrefix  = "/legacy-text"
	googlePrefix      = "/google"
)

// dialectOf tells the dialect from the path of a request.
func dialectOf(path string) Dialect {
	for prefix, dialect := range map[string]Dialect{
		deepSeekPrefix: DialectDeepSeek, siliconFlowPrefix: DialectSiliconFlow,
		legacyImagePrefix: DialectLegacyImage, legacyTextPrefix: DialectLegacyText,
		googlePrefix: DialectGoogle,
	} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return dialect
		}
	}
	return DialectPollinations
}

// prefix returns the path under which the dialect's upstream lives.
func (d Dialect) prefix() string {
	switch d {
	case DialectLegacyImage:
		return legacyImagePrefix
	case DialectLegacyText:
		return legacyTextPrefix
	case DialectDeepSeek:
		return deepSeekPrefix
	case DialectSiliconFlow:
		return siliconFlowPrefix
	case DialectGoogle:
		return googlePrefix
	case DialectPollinations:
	}
	return ""
}

// known reports whether the dialect is one of ours.
func (d Dialect) known() bool {
	switch d {
	case DialectPollinations, DialectLegacyImage, DialectLegacyText, DialectDeepSeek, DialectSiliconFlow, DialectGoogle:
		return true
	default:
		return false
	}
}

// legacy reports whether the dialect is that of a legacy host, which serves
// anybody without a key and one generation of an address at a time.
func (d Dialect) legacy() bool { return d == DialectLegacyImage || d == DialectLegacyText }

// ownChat reports whether the upstream runs language models itself.
func (d Dialect) ownChat() bool { return d == DialectDeepSeek || d == DialectSiliconFlow }
