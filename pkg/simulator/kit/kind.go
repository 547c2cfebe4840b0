package kit

import "slices"

// Kind is the purpose of a request.
type Kind string

// The kinds of requests. Rules without a kind match the first three.
const (
	KindImage   Kind = "image"
	KindSpeech  Kind = "speech"
	KindChat    Kind = "chat"
	KindModels  Kind = "models"
	KindAccount Kind = "account"
)

// The kinds of requests to Google, one for each of its routes.
const (
	KindDiscovery Kind = "discovery"
	KindAuthorize Kind = "authorize"
	KindToken     Kind = "token"
	KindCerts     Kind = "certs"
	KindUserinfo  Kind = "userinfo"
	KindTokenInfo Kind = "tokeninfo"
	KindRevoke    Kind = "revoke"
)

// Generates reports whether requests of the kind generate content and hence
// need a key.
func (k Kind) Generates() bool { return k == KindImage || k == KindSpeech || k == KindChat }

func (k Kind) known() bool {
	return slices.Contains([]Kind{
		KindImage, KindSpeech, KindChat, KindModels, KindAccount,
		KindDiscovery, KindAuthorize, KindToken, KindCerts, KindUserinfo, KindTokenInfo, KindRevoke,
	}, k)
}

// Dialect identifies an upstream by its wire format.
type Dialect string

// The dialects. The two legacy hosts of Pollinations have different error
// bodies, so each has its own.
const (
	DialectPollinations Dialect = "pollinations"
	DialectLegacyImage  Dialect = "legacy-image"
	DialectLegacyText   Dialect = "legacy-text"
	DialectDeepSeek     Dialect = "deepseek"
	DialectSiliconFlow  Dialect = "siliconflow"
	DialectGoogle       Dialect = "google"
)
