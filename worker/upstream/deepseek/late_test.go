package deepseek_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

// TestErrorsInsideAStream checks that errors in a stream are classified like those with an HTTP status.
func TestErrorsInsideAStream(t *testing.T) {
	t.Parallel()
	const piece = `data: {"choices":[{"index":0,"delta":{"content":"a bridge"},"finish_reason":null}]}` + "\n\n"
	const cut = `data: {"choices":[{"index":0,"delta":{"content":" over"},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n"
	for name, tt := range map[string]struct {
		rest      string
		translate bool
		class     fault.Class
	}{
		"balance": {`data: {"error":{"message":"Insufficient Balance","type":"unknown_error"}}` + "\n\n", false, fault.Misconfigured},
		"key":     {`data: {"error":{"message":"Authentication Fails, Your api key: ****fcc2 is invalid"}}` + "\n\n", false, fault.Misconfigured},
		"content": {`data: {"error":{"message":"Content Exists Risk"}}` + "\n\n", false, fault.Moderated},
		"content that mentions a balance": {
			`data: {"error":{"message":"Content Exists Risk: Insufficient Balance, Authentication Fails"}}` + "\n\n", false, fault.Moderated,
		},
		"a quoted text":   {`data: {"error":{"message":"something broke at \"Insufficient Balance\""}}` + "\n\n", false, fault.Retryable},
		"balance alone":   {`data: {"error":"Insufficient Balance"}` + "\n\n", false, fault.Misconfigured},
		"balance aside":   {`data: {"code":null,"message":"Insufficient Balance"}` + "\n\n", false, fault.Misconfigured},
		"trouble":         {`data: {"error":{"message":"something broke"}}` + "\n\n", false, fault.Retryable},
		"cut translation": {cut, true, fault.Retryable},
		"cut prompt":      {cut, false, fault.Retryable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, piece+tt.rest)
			}))
			t.Cleanup(server.Close)
			client, err := deepseek.New(deepseek.Config{URL: server.URL, Key: "sk-x", HTTP: server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			call := client.Improve
			if tt.translate {
				call = client.Translate
			}
			_, err = call(t.Context(), "bridge", nil)
			var f *fault.Error
			if !errors.As(err, &f) || f.Class != tt.class {
				t.Errorf("got %v, want class %s", err, tt.class)
			}
		})
	}
}
