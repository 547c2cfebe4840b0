package deepseek_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
)

// TestErrorsInsideAStream has errors come as events of a stream that began well: they mean what they mean with a status.
func TestErrorsInsideAStream(t *testing.T) {
	t.Parallel()
	const piece = `data: {"choices":[{"index":0,"delta":{"content":"a bridge"},"finish_reason":null}]}` + "\n\n"
	const cut = `data: {"choices":[{"index":0,"delta":{"content":" over"},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n"
	for name, tt := range map[string]struct {
		rest      string
		translate bool
		class     upstream.Class
	}{
		"balance": {`data: {"error":{"message":"Insufficient Balance","type":"unknown_error"}}` + "\n\n", false, upstream.Misconfigured},
		"key":     {`data: {"error":{"message":"Authentication Fails, Your api key: ****fcc2 is invalid"}}` + "\n\n", false, upstream.Misconfigured},
		"content": {`data: {"error":{"message":"Content Exists Risk"}}` + "\n\n", false, upstream.Moderated},
		"content that mentions a balance": {
			`data: {"error":{"message":"Content Exists Risk: Insufficient Balance, Authentication Fails"}}` + "\n\n", false, upstream.Moderated,
		},
		"a quoted text":   {`data: {"error":{"message":"something broke at \"Insufficient Balance\""}}` + "\n\n", false, upstream.Retryable},
		"balance alone":   {`data: {"error":"Insufficient Balance"}` + "\n\n", false, upstream.Misconfigured},
		"balance aside":   {`data: {"code":null,"message":"Insufficient Balance"}` + "\n\n", false, upstream.Misconfigured},
		"trouble":         {`data: {"error":{"message":"something broke"}}` + "\n\n", false, upstream.Retryable},
		"cut translation": {cut, true, upstream.Retryable},
		"cut prompt":      {cut, false, upstream.Retryable},
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
			_, err = call(t.Context(), "bridge")
			var fault *upstream.Fault
			if !errors.As(err, &fault) || fault.Class != tt.class {
				t.Errorf("got %v, want class %s", err, tt.class)
			}
		})
	}
}
