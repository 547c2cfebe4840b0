package upstream_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/fault"
)

const (
	canaryKey    = "sk_canary_key_5f1e"
	canaryPrompt = "canary prompt: a yellow bird / 100% alive & well 金丝雀"
)

// requireSilence asserts that nothing which an error says, however it is printed, holds the key, the prompt or an address.
func requireSilence(t *testing.T, err error) {
	t.Helper()
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		t.Fatalf("%T is no *fault.Error: %v", err, err)
	}
	said := []string{f.Error(), f.Detail, f.RequestID, fmt.Sprintf("%v %+v %q", err, err, err)}
	for cause := f.Err; cause != nil; cause = errors.Unwrap(cause) {
		if _, is := cause.(*url.Error); is { //nolint:errorlint // The walk looks at each cause by itself.
			t.Error("a cause still carries the URL")
		}
	}
	for _, text := range said {
		for _, secret := range []string{
			canaryKey, canaryPrompt, url.PathEscape(canaryPrompt), url.QueryEscape(canaryPrompt),
			"yellow bird", "金丝雀", "yellow%20bird", "/generate/",
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%q tells of %q", text, secret)
			}
		}
	}
	if len(f.Detail) > 2<<10 {
		t.Errorf("detail has %d bytes", len(f.Detail))
	}
}
