package simulator_test

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

// TestMain discards the standard log, to which the FLAC library writes for every frame
// at 24 kHz.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	goleak.VerifyTestMain(m)
}
