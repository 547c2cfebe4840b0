package env_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestCheckAddress(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"127.0.0.1:8080": true, ":0": true, "[::1]:65535": true, "localhost:1": true, "": false, "localhost": false,
		"127.0.0.1:": false, "127.0.0.1:65536": false, "127.0.0.1:-1": false, "127.0.0.1:http": false, "::1:80": false,
		"127.0.0.1:99999999999": false,
	} {
		err := env.CheckAddress("SOME_ADDR", value)
		if (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}
