package main

import (
	"strings"
	"testing"
)

// TestControlCommands pauses and resumes a kind of job of a running program.
func TestControlCommands(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "ADMIN_KEY="+operatorKey)
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "pollinations-image   available"},
		{[]string{"pause", "image", "--for", "10m", "--note", "maintenance"}, "image is paused until 20"},
		{[]string{"status"}, "maintenance"},
		{[]string{"status", "-o", "json"}, `"paused": true`},
		{[]string{"resume", "image"}, "image is active"},
		{[]string{"status", "-o", "json"}, `"state": "closed"`},
		{[]string{"probe", "language-model"}, "language-model is available"},
	} {
		if got := p.mustRun(t, step.args...); !strings.Contains(got, step.want) {
			t.Errorf("api %v: no %q in\n%s", step.args, step.want, got)
		}
	}
	for exit, all := range map[int][][]string{
		exitUsage: {
			{"pause"},
			{"pause", "video"},
			{"resume", "image", "audio"},
			{"status", "image"},
			{"probe", "elsewhere"},
			{"pause", "image", "--for", "soon"},
			{"status", "-o", "xml"},
		},
		exitFailure: {{"pause", "image", "--for", "1000h"}, {"status", "--url", "http://127.0.0.1:1"}},
		0:           {{"pause", "-h"}, {"resume", "-h"}, {"probe", "-h"}, {"status", "-h"}},
	} {
		for _, args := range all {
			if got, _, stderr := p.command(t, args...); got != exit || (exit > 0) != strings.Contains(stderr, "api "+args[0]+": ") {
				t.Errorf("api %v: exit %d, want %d: %s", args, got, exit, stderr)
			}
		}
	}
}
