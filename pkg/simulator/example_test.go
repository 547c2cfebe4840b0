package simulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// The first of two requests is throttled, as a client that retries would see it.
func Example() {
	ctx := context.Background()
	s := simulator.New(simulator.Config{})
	if err := s.Start(ctx, "127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Stop(ctx) }()

	err := s.Script(simulator.Rule{
		Kind: simulator.KindImage, Contains: "cat", Times: 1,
		Fault: "rate_limited", RetryAfter: 2 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.PollinationsURL()+"/image/a%20cat?width=64&height=64", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer any key")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		fmt.Printf("%d, Retry-After %q, %s\n", response.StatusCode, response.Header.Get("Retry-After"), response.Header.Get("Content-Type"))
	}
	for _, call := range s.Calls(simulator.KindImage) {
		fmt.Printf("%s %q: %d\n", call.Method, call.Prompt, call.Status)
	}
	// Output:
	// 429, Retry-After "2", application/json
	// 200, Retry-After "", image/jpeg
	// GET "a cat": 429
	// GET "a cat": 200
}
