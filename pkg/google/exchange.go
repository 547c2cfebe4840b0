package google

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
)

// maxCodeLength bounds the code that is sent on; Google's have less than a hundred characters.
const maxCodeLength = 1024

// Exchange trades the code that somebody brought from Google for who that is. It fails with an *Error. The code is sent
// once, and a second time only when no answer came because the connection failed.
func (c *Client) Exchange(ctx context.Context, s Start, code string) (*Identity, error) {
	if code == "" || len(code) > maxCodeLength {
		return nil, &Error{Kind: KindCode, Reason: "the code is missing or too long"}
	}
	e, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, c.http)
	token, err := c.oauth(e, s.Redirect).Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	if connectionFailed(err) && ctx.Err() == nil {
		token, err = c.oauth(e, s.Redirect).Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	}
	if err != nil {
		return nil, refusal(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, badToken("the answer holds no id_token")
	}
	return c.verify(ctx, e, raw, token.AccessToken, func(bound string) bool { return same(bound, s.Nonce) })
}

// connectionFailed reports whether a call ended without an answer, and not because time was over.
func connectionFailed(err error) bool {
	failed, is := errors.AsType[*url.Error](err)
	return is && !failed.Timeout() && !errors.Is(err, errTooLarge)
}

// misconfigured are the errors that whoever runs this installation has to mend.
var misconfigured = []string{
	"invalid_client", "redirect_uri_mismatch", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope",
}

// refusal classifies what the exchange of a code failed with.
func refusal(err error) *Error {
	answer, is := errors.AsType[*oauth2.RetrieveError](err)
	if !is {
		return unavailable(0, "the token route cannot be reached or sends no token")
	}
	status := answer.Response.StatusCode
	e := &Error{
		Kind: KindCode, Status: status, Code: cleaned(answer.ErrorCode, maxCode), Description: cleaned(answer.ErrorDescription, maxDescription),
		Reason: "the token route refused the code",
	}
	switch {
	case slices.Contains(misconfigured, e.Code):
		e.Kind, e.Reason = KindMisconfigured, "the token route refused the client as it is set up here"
		e.Setting = setting(e.Code, e.Description)
	case e.Code == "" && (status < http.StatusBadRequest || status >= http.StatusInternalServerError),
		status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		e.Kind, e.Reason = KindUnavailable, "the token route is out of order"
	}
	return e
}
