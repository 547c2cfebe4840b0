package google

import (
	"errors"
	"maps"
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

func (g *Provider) listUsers(x *kit.Exchange) {
	x.SendJSON(http.StatusOK, map[string]any{"users": g.Users()})
}

// addUser adds a user, or replaces the one with the same sub.
func (g *Provider) addUser(x *kit.Exchange) {
	var user User
	if !x.ReadControl("the body", &user) {
		return
	}
	if user.Email == "" {
		x.ControlError(http.StatusBadRequest, errors.New("a user needs an email"))
		return
	}
	g.AddUsers(user)
	g.listUsers(x)
}

func (g *Provider) listClients(x *kit.Exchange) {
	x.SendJSON(http.StatusOK, map[string]any{"clients": g.Clients()})
}

// setClients replaces the clients.
func (g *Provider) setClients(x *kit.Exchange) {
	var clients []Client
	if !x.ReadControl("the body", &clients) {
		return
	}
	g.SetClients(clients...)
	g.listClients(x)
}

// rotateKeys makes a new key for signing and returns the current keys.
func (g *Provider) rotateKeys(x *kit.Exchange) {
	keys, err := g.keys.both(true)
	if err != nil {
		x.ControlError(http.StatusInternalServerError, err)
		return
	}
	x.SendJSON(http.StatusOK, map[string]any{"keys": []string{keys[0].id, keys[1].id}})
}

// signToken returns a valid id_token, changed by the given claims and header fields.
// Those that are null are removed.
func (g *Provider) signToken(x *kit.Exchange) {
	var request struct {
		Email    string         `json:"email"`
		ClientID string         `json:"client_id"`
		Claims   map[string]any `json:"claims"`
		Header   map[string]any `json:"header"`
	}
	if !x.ReadControl("the body", &request) {
		return
	}
	if request.Email == "" || request.ClientID == "" {
		x.ControlError(http.StatusBadRequest, errors.New("email and client_id are needed"))
		return
	}
	claims := g.claims(issuer(x), g.User(request.Email), request.ClientID, allScopes())
	maps.Copy(claims, request.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token, err := g.Sign(claims, request.Header)
	if err != nil {
		x.ControlError(http.StatusBadRequest, err)
		return
	}
	x.SendJSON(http.StatusOK, map[string]any{"id_token": token})
}
