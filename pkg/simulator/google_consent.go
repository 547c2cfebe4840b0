package simulator

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// googleConsent shows the page on which the user chooses and decides.
func (x *exchange) googleConsent() {
	a, fault := x.s.google.readAuthorization(x.query)
	if !x.arriveAtGoogle(a.client, a.hint) {
		return
	}
	switch {
	case fault != nil:
		x.googleBlocked(*fault)
	case x.behaves(faultDenied):
		x.googleReturn(a.back("error", "access_denied"))
	case a.prompt == "none":
		// Nobody is ever signed in here, so that there is always something to ask.
		x.googleReturn(a.back("error", "interaction_required"))
	default:
		x.googleConsentPage(a, "")
	}
}

// googleDecision takes what the user has decided.
func (x *exchange) googleDecision() {
	x.readForm()
	a, fault := x.s.google.readAuthorization(x.query)
	user, known := x.s.google.choose(x.form, a.hint)
	if !x.arriveAtGoogle(a.client, user.Email) {
		return
	}
	switch {
	case fault != nil:
		x.googleBlocked(*fault)
	case x.behaves(faultDenied), x.form.Get("decision") == "deny":
		x.googleReturn(a.back("error", "access_denied"))
	case x.form.Get("decision") != "allow":
		x.googleConsentPage(a, "Choose whether to allow or to deny.")
	case !known:
		x.googleConsentPage(a, "Choose an account, or enter an e-mail address.")
	default:
		x.s.google.remember(user)
		pairs := []string{"code", x.s.google.grants.grant(a, user), "scope", a.scopes.list(true), "authuser", "0"}
		if user.Domain != "" {
			pairs = append(pairs, "hd", user.Domain)
		}
		prompt := a.prompt
		if prompt == "" {
			prompt = "consent"
		}
		x.googleReturn(a.back(append(pairs, "prompt", prompt)...))
	}
}

// googleReturn sends the browser back to the client.
func (x *exchange) googleReturn(address string) {
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.Header().Set("Location", address)
	x.send(http.StatusFound, "text/html; charset=utf-8", nil)
}

// offered are the users of the consent page. Whom the client hints at comes
// first, and is made up when there is no such user.
func (g *Google) offered(hint string) []GoogleUser {
	users := g.Users()
	if !looksLikeEmail(hint) {
		return users
	}
	hinted := g.User(hint)
	others := slices.DeleteFunc(users, func(u GoogleUser) bool { return u.Sub == hinted.Sub })
	return append([]GoogleUser{hinted}, others...)
}

func looksLikeEmail(text string) bool {
	local, host, found := strings.Cut(text, "@")
	return found && local != "" && host != "" && len(text) <= 254 && !strings.ContainsAny(text, " \t\r\n<>")
}

// choose finds the user whom the consent form names. An e-mail address counts
// before the account that is marked in the list; without both it is the first
// of the list.
func (g *Google) choose(form url.Values, hint string) (user GoogleUser, known bool) {
	users := g.offered(hint)
	email, account := strings.TrimSpace(form.Get("email")), form.Get("account")
	switch {
	case email != "":
		if !looksLikeEmail(email) {
			return GoogleUser{}, false
		}
		user = g.User(email)
	case account != "":
		at := slices.IndexFunc(users, func(u GoogleUser) bool { return u.Sub == account })
		if at < 0 {
			return GoogleUser{}, false
		}
		return users[at], true
	case len(users) == 0:
		return GoogleUser{}, false
	default:
		user = users[0]
	}
	if name := strings.TrimSpace(form.Get("name")); name != "" {
		user.Name = name
	}
	if sub := strings.TrimSpace(form.Get("sub")); sub != "" {
		user.Sub = sub
	}
	if form.Has("verified") {
		user.Verified = form.Get("verified") == "yes"
	}
	return user, true
}

// remember keeps a user whom the consent page does not offer yet.
func (g *Google) remember(user GoogleUser) {
	if !slices.ContainsFunc(g.Users(), func(u GoogleUser) bool { return u.Sub == user.Sub }) {
		g.AddUsers(user)
	}
}
