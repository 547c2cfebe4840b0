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

// requireRedacted asserts that an error, however it is printed, contains neither the key nor the prompt nor a URL.
func requireRedacted(t *testing.T, err error) {
	t.Helper()
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		t.Fatalf("%T is no *fault.Error: %v", err, err)
	}
	texts := []string{f.Error(), f.Detail, f.RequestID, fmt.Sprintf("%v %+v %q", err, err, err)}
	for cause := f.Err; cause != nil; cause = errors.Unwrap(cause) {
		if _, is := cause.(*url.Error); is { //nolint:errorlint // Each cause is checked separately.
			t.Error("a cause contains the URL")
		}
	}
	for _, text := range texts {
		for _, secret := range []string{
			canaryKey, canaryPrompt, url.PathEscape(canaryPrompt), url.QueryEscape(canaryPrompt),
			"yellow bird", "金丝雀", "yellow%20bird", "/generate/",
		} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
				t.Errorf("%q contains %q", text, secret)
			}
		}
	}
	if len(f.Detail) > 2<<10 {
		t.Errorf("detail has %d bytes", len(f.Detail))
	}
}
