package app_test

import (
	"log/slog"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(powerCutDir); dir != "" { //nolint:forbidigo // The test runs its own binary as the process that is killed.
		runUntilKilled(dir)
	}
	goleak.VerifyTestMain(brokertest.Main(m, 3))
}

const hang = apptest.Hang

// instance is a running process with helpers for the tests of this package.
type instance struct{ *apptest.Process }

// start runs a process until the test ends.
func start(t testing.TB, cfg app.Config) *instance { return &instance{apptest.Start(t, cfg)} }

// run runs a process until Close.
func run(t testing.TB, cfg app.Config) *instance { return &instance{apptest.Run(t, cfg)} }

type fields = map[string]any

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
