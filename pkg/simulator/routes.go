package simulator

import (
	"net/http"
	"net/url"
	"strings"
)

// route binds a method and a path to its handler. A path that ends in "*"
// matches every path that begins with what stands before it, as it was sent:
// a prompt may hold slashes and dots. A path without "*" matches however its
// characters are escaped, as at the upstreams' routers: a prompt that is
// spelled like one of them is not taken for a prompt.
type route struct {
	method string
	path   string
	kind   Kind
	handle func(*exchange)
}

// routes lists every route; the first that matches serves.
func routes() []route {
	return []route{
		{http.MethodGet, "/image/models", KindModels, (*exchange).imageModels},
		{http.MethodGet, "/image/*", KindImage, (*exchange).imageByURL},
		{http.MethodPost, "/v1/images/generations", KindImage, (*exchange).imageByBody},
		{http.MethodGet, "/audio/models", KindModels, (*exchange).speechModels},
		{http.MethodGet, "/audio/*", KindSpeech, (*exchange).speechByURL},
		{http.MethodPost, "/v1/audio/speech", KindSpeech, (*exchange).speechByBody},
		{http.MethodPost, "/v1/chat/completions", KindChat, (*exchange).gatewayChat},
		{http.MethodGet, "/v1/models", KindModels, (*exchange).gatewayModels},
		{http.MethodGet, "/models", KindModels, (*exchange).allModels},
		{http.MethodGet, "/text/models", KindModels, (*exchange).textModels},
		{http.MethodGet, "/account/balance", KindAccount, (*exchange).gatewayBalance},

		{http.MethodPost, deepSeekPrefix + "/chat/completions", KindChat, (*exchange).deepSeekChat},
		{http.MethodPost, deepSeekPrefix + "/v1/chat/completions", KindChat, (*exchange).deepSeekChat},
		{http.MethodGet, deepSeekPrefix + "/models", KindModels, (*exchange).deepSeekModels},
		{http.MethodGet, deepSeekPrefix + "/v1/models", KindModels, (*exchange).deepSeekModels},
		{http.MethodGet, deepSeekPrefix + "/user/balance", KindAccount, (*exchange).deepSeekBalance},
		{http.MethodGet, deepSeekPrefix + "/v1/user/balance", KindAccount, (*exchange).deepSeekBalance},

		{http.MethodPost, siliconFlowPrefix + "/v1/chat/completions", KindChat, (*exchange).siliconFlowChat},
		{http.MethodGet, siliconFlowPrefix + "/v1/models", KindModels, (*exchange).siliconFlowModels},
		{http.MethodGet, siliconFlowPrefix + "/v1/user/info", KindAccount, (*exchange).siliconFlowAccount},

		{http.MethodGet, legacyImagePrefix + "/models", KindModels, (*exchange).legacyImageModels},
		{http.MethodGet, legacyImagePrefix + "/prompt/*", KindImage, (*exchange).legacyImage},
		{http.MethodGet, legacyImagePrefix + "/*", KindImage, (*exchange).legacyImageShort},

		{http.MethodGet, legacyTextPrefix + "/models", KindModels, (*exchange).legacyTextModels},
		{http.MethodGet, legacyTextPrefix + "/openai/models", KindModels, (*exchange).legacyModelList},
		{http.MethodGet, legacyTextPrefix + "/*", KindChat, (*exchange).legacyTextByURL},
		{http.MethodPost, legacyTextPrefix, KindChat, (*exchange).legacyTextByBody},
		{http.MethodPost, legacyTextPrefix + "/", KindChat, (*exchange).legacyTextByBody},
		{http.MethodPost, legacyTextPrefix + "/openai", KindChat, (*exchange).legacyChat},
		{http.MethodPost, legacyTextPrefix + "/openai/*", KindChat, (*exchange).legacyChat},
		{http.MethodPost, legacyTextPrefix + "/v1/chat/completions", KindChat, (*exchange).legacyChat},

		{http.MethodGet, googlePrefix + "/.well-known/openid-configuration", KindDiscovery, (*exchange).googleDiscovery},
		{http.MethodGet, googlePrefix + "/o/oauth2/v2/auth", KindAuthorize, (*exchange).googleConsent},
		{http.MethodPost, googlePrefix + "/o/oauth2/v2/auth", KindAuthorize, (*exchange).googleDecision},
		{http.MethodPost, googlePrefix + "/token", KindToken, (*exchange).googleToken},
		{http.MethodGet, googlePrefix + "/oauth2/v3/certs", KindCerts, (*exchange).googleCerts},
		{http.MethodGet, googlePrefix + "/v1/userinfo", KindUserinfo, (*exchange).googleUserinfo},
		{http.MethodGet, googlePrefix + "/oauth2/v3/userinfo", KindUserinfo, (*exchange).googleUserinfo},
		{http.MethodGet, googlePrefix + "/oauth2/v2/userinfo", KindUserinfo, (*exchange).googleUserinfoV2},
		{http.MethodGet, googlePrefix + "/tokeninfo", KindTokenInfo, (*exchange).googleTokenInfo},
		{http.MethodPost, googlePrefix + "/revoke", KindRevoke, (*exchange).googleRevoke},
		{http.MethodGet, googlePrefix + "/a/*", "", (*exchange).googlePortrait},

		{http.MethodGet, "/_control/rules", "", (*exchange).listRules},
		{http.MethodPost, "/_control/rules", "", (*exchange).addRules},
		{http.MethodDelete, "/_control/rules", "", (*exchange).clearRules},
		{http.MethodPost, "/_control/release", "", (*exchange).releaseHeld},
		{http.MethodGet, "/_control/calls", "", (*exchange).listCalls},
		{http.MethodDelete, "/_control/calls", "", (*exchange).forgetCalls},
		{http.MethodGet, "/_control/faults", "", (*exchange).listFaults},
		{http.MethodGet, "/_control/upstreams", "", (*exchange).listUpstreams},
		{http.MethodGet, "/_control/google/users", "", (*exchange).listGoogleUsers},
		{http.MethodPost, "/_control/google/users", "", (*exchange).addGoogleUser},
		{http.MethodGet, "/_control/google/clients", "", (*exchange).listGoogleClients},
		{http.MethodPost, "/_control/google/clients", "", (*exchange).setGoogleClients},
		{http.MethodPost, "/_control/google/rotate", "", (*exchange).rotateGoogleKeys},
		{http.MethodPost, "/_control/google/id_token", "", (*exchange).signGoogleToken},
	}
}

// dispatch finds the route and runs it.
func (x *exchange) dispatch() {
	path := resolveDots(x.dialect.prefix(), x.r.URL.EscapedPath())
	literal := unescapeSegments(path)
	wrongMethod := false
	for _, candidate := range x.s.routes {
		prefix, open := strings.CutSuffix(candidate.path, "*")
		if literal != candidate.path && (!open || !strings.HasPrefix(path, prefix)) {
			continue
		}
		method := x.r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if method != candidate.method {
			wrongMethod = true
			continue
		}
		x.kind = candidate.kind
		if open {
			x.rest = path[len(prefix):]
		}
		if strings.HasPrefix(literal, controlPrefix) && !x.mayControl() {
			return
		}
		candidate.handle(x)
		return
	}
	if x.dialect == DialectLegacyImage {
		x.legacyNotFound()
		return
	}
	if wrongMethod {
		x.refuse(failure{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", message: "Method not allowed."})
		return
	}
	x.refuse(failure{status: http.StatusNotFound, code: "NOT_FOUND", message: "The requested resource was not found."})
}

// resolveDots removes the segments "." and "..", escaped or not, as the URL
// parsers at the upstreams do before they look for a route. It does not go
// above the prefix, which stands for a host.
func resolveDots(prefix, path string) string {
	rest, ok := strings.CutPrefix(path, prefix+"/")
	if !ok {
		return path
	}
	var kept []string
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		case ".":
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return prefix + "/" + strings.Join(kept, "/")
}

// unescapeSegments decodes each segment of a path, but none that holds an
// escaped slash.
func unescapeSegments(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if decoded, err := url.PathUnescape(segment); err == nil && !strings.Contains(decoded, "/") {
			segments[i] = decoded
		}
	}
	return strings.Join(segments, "/")
}
