package pollinations_test

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

// TestMain discards the default log, to which the FLAC library writes for every frame at 24 kHz.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}
