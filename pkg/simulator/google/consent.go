package google

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// consent serves the consent page.
func (g *Provider) consent(x *kit.Exchange) {
	a, failure := g.readAuthorization(x.Query)
	if !x.Arrive(a.client, a.hint, "") {
		return
	}
	switch {
	case failure != nil:
		x.Fail(*failure)
	case x.Varies(faultDenied):
		redirect(x, a.redirectURL("error", "access_denied"))
	case a.prompt == "none":
		// No user is ever signed in here, so interaction is always required.
		redirect(x, a.redirectURL("error", "interaction_required"))
	default:
		g.sendConsentPage(x, a, "")
	}
}

// decide serves the form of the consent page.
func (g *Provider) decide(x *kit.Exchange) {
	form := readForm(x)
	a, failure := g.readAuthorization(x.Query)
	user, known := g.choose(form, a.hint)
	if !x.Arrive(a.client, user.Email, "") {
		return
	}
	switch {
	case failure != nil:
		x.Fail(*failure)
	case x.Varies(faultDenied), form.Get("decision") == "deny":
		redirect(x, a.redirectURL("error", "access_denied"))
	case form.Get("decision") != "allow":
		g.sendConsentPage(x, a, "Choose whether to allow or to deny.")
	case !known:
		g.sendConsentPage(x, a, "Choose an account, or enter an email address.")
	default:
		if !slices.ContainsFunc(g.Users(), func(u User) bool { return u.Sub == user.Sub }) {
			g.AddUsers(user) // The page offers it from now on.
		}
		pairs := []string{"code", g.grants.newCode(a, user), "scope", a.scopes.list(true), "authuser", "0"}
		if user.Domain != "" {
			pairs = append(pairs, "hd", user.Domain)
		}
		redirect(x, a.redirectURL(append(pairs, "prompt", cmp.Or(a.prompt, "consent"))...))
	}
}

// redirect sends the browser back to the client.
func redirect(x *kit.Exchange, target string) {
	x.Header().Set("Cache-Control", "no-store")
	x.Header().Set("Location", target)
	x.Send(http.StatusFound, "text/html; charset=utf-8", nil)
}

// offered returns the users of the consent page. The user that the client hints at
// comes first, and is created if it does not exist.
func (g *Provider) offered(hint string) []User {
	users := g.Users()
	if !looksLikeEmail(hint) {
		return users
	}
	hinted := g.User(hint)
	others := slices.DeleteFunc(users, func(u User) bool { return u.Sub == hinted.Sub })
	return append([]User{hinted}, others...)
}

func looksLikeEmail(text string) bool {
	local, host, found := strings.Cut(text, "@")
	return found && local != "" && host != "" && len(text) <= 254 && !strings.ContainsAny(text, " \t\r\n<>")
}

// choose returns the user of the consent form. An email address has precedence over
// the selected account; without both it is the first user.
func (g *Provider) choose(form url.Values, hint string) (user User, known bool) {
	users := g.offered(hint)
	email, account := strings.TrimSpace(form.Get("email")), form.Get("account")
	switch {
	case email != "" && looksLikeEmail(email):
		user = g.User(email)
	case email == "" && account != "":
		at := slices.IndexFunc(users, func(u User) bool { return u.Sub == account })
		if at < 0 {
			return User{}, false
		}
		return users[at], true
	case email == "" && len(users) > 0:
		user = users[0]
	default:
		return User{}, false
	}
	user.Name = cmp.Or(strings.TrimSpace(form.Get("name")), user.Name)
	user.Sub = cmp.Or(strings.TrimSpace(form.Get("sub")), user.Sub)
	if form.Has("verified") {
		user.Verified = form.Get("verified") == "yes"
	}
	return user, true
}
