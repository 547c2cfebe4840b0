package server_test

import (
	"errors"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestErrorWhileStarting explains an error that nobody has named before there is a NATS to ask about it.
func TestErrorWhileStarting(t *testing.T) {
	t.Parallel()
	d, err := server.NewDoor(server.Config{}, telemetry.NewMetrics(), quiet())
	must(t, err)
	if code, status := server.Explain(d, errors.New("something")); code != "unavailable" || status != 503 {
		t.Errorf("%s, %d", code, status)
	}
}
