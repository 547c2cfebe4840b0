// Package env turns the process environment into typed settings.
//
// Each package defines a struct that describes its settings with tags, and main
// passes all of them to Load together, so that all faults are reported at once,
// each with the name of the variable. The package also lists the settings for the
// generated documentation.
//
// It does not read the environment of the process, keeps no state, and never
// includes a value in an error: a value may be a secret that was set under the
// wrong name.
package env
