package telemetry

import "runtime/debug"

// Set by the linker in a release build (go build -ldflags "-X …"); empty otherwise.
var (
	version   string
	commit    string
	buildTime string
)

// unknown stands for what a build does not tell.
const unknown = "unknown"

// Version returns which program this is: the version, the commit and the time of
// the build, or of the commit when only that is known. What the linker did not
// set is read from the build information of the Go toolchain; what that does not
// tell either is "unknown", the version then "devel".
func Version() (ver, rev, built string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(version, commit, buildTime, info)
}

// describe fills what is missing from the build information.
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
