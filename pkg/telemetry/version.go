package telemetry

import (
	"cmp"
	"runtime/debug"
)

// Set by the linker in a release build (go build -ldflags "-X …"); empty otherwise.
var (
	version   string
	commit    string
	buildTime string
)

// unknown replaces missing build information.
const unknown = "unknown"

// Version returns the version, the commit, and the time of the build or, if only that
// is known, of the commit. Values that the linker did not set are read from the build
// information of the Go toolchain; otherwise they are "unknown", and the version
// "devel".
func Version() (ver, rev, built string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(version, commit, buildTime, info)
}

// describe fills in missing values from the build information.
func describe(ver, rev, built string, info *debug.BuildInfo) (string, string, string) {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if ver = cmp.Or(ver, info.Main.Version, "devel"); ver == "(devel)" {
		ver = "devel"
	}
	if rev == "" && settings["vcs.revision"] != "" {
		rev = settings["vcs.revision"]
		if settings["vcs.modified"] == "true" {
			rev += "-dirty"
		}
	}
	return ver, cmp.Or(rev, unknown), cmp.Or(built, settings["vcs.time"], unknown)
}
