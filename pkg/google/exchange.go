package google

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
)

// maxCodeLength bounds the codes that are sent to Google; Google's are shorter than 100 characters.
const maxCodeLength = 1024

// Exchange exchanges an authorization code for the identity of the user. It returns an *Error. It sends the code once, and again
// only when the connection failed before a response.
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
		return nil, badToken("the response contains no id_token")
	}
	return c.verify(ctx, e, raw, token.AccessToken, func(bound string) bool { return same(bound, s.Nonce) })
}

// connectionFailed reports whether a request ended without a response other than by a timeout.
func connectionFailed(err error) bool {
	failed, is := errors.AsType[*url.Error](err)
	return is && !failed.Timeout() && !errors.Is(err, errTooLarge)
}

// misconfigured lists the error codes that the operator has to fix.
var misconfigured = []string{
	"invalid_client", "redirect_uri_mismatch", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope",
}

// refusal returns the *Error for an error of an exchange.
func refusal(err error) *Error {
	response, is := errors.AsType[*oauth2.RetrieveError](err)
	if !is {
		return unavailable(0, "the token endpoint cannot be reached or returned no token")
	}
	status := response.Response.StatusCode
	e := &Error{
		Kind: KindCode, Status: status, Code: clean(response.ErrorCode, maxCode), Description: clean(response.ErrorDescription, maxDescription),
		Reason: "the token endpoint rejected the code",
	}
	switch {
	case slices.Contains(misconfigured, e.Code):
		e.Kind, e.Reason = KindMisconfigured, "the token endpoint rejected the client"
		e.Setting = setting(e.Code, e.Description)
	case e.Code == "" && (status < http.StatusBadRequest || status >= http.StatusInternalServerError),
		status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		e.Kind, e.Reason = KindUnavailable, "the token endpoint is unavailable"
	}
	return e
}
