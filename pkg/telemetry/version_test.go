package telemetry

import (
	"runtime/debug"
	"testing"
)

// TestDescribe is an internal test because the linker's variables are unexported.
func TestDescribe(t *testing.T) {
	t.Parallel()
	vcs := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "then"}, {Key: "vcs.modified", Value: modified},
		}}
	}
	tests := map[string]struct {
		linked [3]string
		info   *debug.BuildInfo
		want   [3]string
	}{
		"nothing":     {[3]string{}, &debug.BuildInfo{}, [3]string{"devel", "unknown", "unknown"}},
		"go run":      {[3]string{}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, [3]string{"devel", "unknown", "unknown"}},
		"go install":  {[3]string{}, vcs("false"), [3]string{"v1.2.0", "abc", "then"}},
		"dirty tree":  {[3]string{}, vcs("true"), [3]string{"v1.2.0", "abc-dirty", "then"}},
		"linked":      {[3]string{"v2", "def", "now"}, vcs("true"), [3]string{"v2", "def", "now"}},
		"linked half": {[3]string{"v2", "", ""}, vcs("false"), [3]string{"v2", "abc", "then"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ver, rev, built := describe(test.linked[0], test.linked[1], test.linked[2], test.info)
			if got := [3]string{ver, rev, built}; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if ver, rev, built := Version(); ver == "" || rev == "" || built == "" {
		t.Errorf("Version returned an empty value: %q, %q, %q", ver, rev, built)
	}
}
