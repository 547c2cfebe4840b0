package telemetry_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestAuditIgnoresTheLevel(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"error", "warn", "info", "debug"} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		ctx := telemetry.WithRequestID(t.Context(), "r1")
		telemetry.Audit(log).InfoContext(ctx, "plain", "act", "purge")
		telemetry.Audit(log).With("kind", "image").WithGroup("g").InfoContext(ctx, "derived", "act", "purge")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 {
			t.Fatalf("%s: %q", level, lines)
		}
		for i, want := range []string{`"level":"INFO","msg":"plain","act":"purge","request_id":"r1"`, `"kind":"image"`} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], `"request_id":"r1"`) {
				t.Errorf("%s: %s, want %s in it", level, lines[i], want)
			}
		}
	}
}
