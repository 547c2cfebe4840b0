package telemetry

import "runtime/debug"

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
	if ver == "" {
		ver = info.Main.Version
	}
	if ver == "" || ver == "(devel)" {
		ver = "devel"
	}
	if rev == "" {
		rev = settings["vcs.revision"]
		if rev != "" && settings["vcs.modified"] == "true" {
			rev += "-dirty"
		}
	}
	if built == "" {
		built = settings["vcs.time"]
	}
	if rev == "" {
		rev = unknown
	}
	if built == "" {
		built = unknown
	}
	return ver, rev, built
}
