package simulator

// Kind is the sort of a request.
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

// generates reports whether requests of the kind make something and hence
// need a key.
func (k Kind) generates() bool { return k.index() >= 0 }

// index numbers the generating kinds; the others are -1.
func (k Kind) index() int {
	switch k {
	case KindImage:
		return 0
	case KindSpeech:
		return 1
	case KindChat:
		return 2
	default:
		return -1
	}
}

// known reports whether the kind is one of ours.
func (k Kind) known() bool {
	return k.generates() || k == KindModels || k == KindAccount || k.signsIn()
}

// signsIn reports whether requests of the kind go to Google.
func (k Kind) signsIn() bool {
	switch k {
	case KindDiscovery, KindAuthorize, KindToken, KindCerts, KindUserinfo, KindTokenInfo, KindRevoke:
		return true
	default:
		return false
	}
}
