package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// readControl reads the body of a control route strictly, and refuses it else.
func (x *exchange) readControl(into any) bool {
	decoder := json.NewDecoder(bytes.NewReader(x.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		x.controlError(http.StatusBadRequest, fmt.Errorf("read the body: %w", err))
		return false
	}
	return true
}

func (x *exchange) listGoogleUsers() {
	x.sendJSON(http.StatusOK, map[string]any{"users": x.s.google.Users()})
}

// addGoogleUser adds one user, or replaces the one with the same sub.
func (x *exchange) addGoogleUser() {
	var user GoogleUser
	if !x.readControl(&user) {
		return
	}
	if user.Email == "" {
		x.controlError(http.StatusBadRequest, errors.New("a user needs an email"))
		return
	}
	x.s.google.AddUsers(user)
	x.listGoogleUsers()
}

func (x *exchange) listGoogleClients() {
	x.sendJSON(http.StatusOK, map[string]any{"clients": x.s.google.Clients()})
}

// setGoogleClients replaces the clients by an array of them.
func (x *exchange) setGoogleClients() {
	var clients []GoogleClient
	if !x.readControl(&clients) {
		return
	}
	x.s.google.SetClients(clients...)
	x.listGoogleClients()
}

// rotateGoogleKeys lets a new key sign and tells the keys there are now.
func (x *exchange) rotateGoogleKeys() {
	keys, err := x.s.google.keys.rotate()
	if err != nil {
		x.controlError(http.StatusInternalServerError, err)
		return
	}
	x.sendJSON(http.StatusOK, map[string]any{"keys": []string{keys[0].id, keys[1].id}})
}

// signGoogleToken makes an id_token as a browser would bring it: a good one,
// with claims and fields of the header laid over it. What is null is left out.
func (x *exchange) signGoogleToken() {
	var wish struct {
		Email    string         `json:"email"`
		ClientID string         `json:"client_id"`
		Claims   map[string]any `json:"claims"`
		Header   map[string]any `json:"header"`
	}
	if !x.readControl(&wish) {
		return
	}
	if wish.Email == "" || wish.ClientID == "" {
		x.controlError(http.StatusBadRequest, errors.New("email and client_id are needed"))
		return
	}
	g := x.s.google
	claims := g.claims(x.googleBase(), g.User(wish.Email), wish.ClientID, googleScopes{openid: true, email: true, profile: true})
	maps.Copy(claims, wish.Claims)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token, err := g.Sign(claims, wish.Header)
	if err != nil {
		x.controlError(http.StatusBadRequest, err)
		return
	}
	x.sendJSON(http.StatusOK, map[string]any{"id_token": token})
}
