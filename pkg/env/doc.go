// Package env turns the process environment into typed settings.
//
// Each package owns a plain struct that describes its settings with tags, and
// main hands all of them to Load together, so that every fault is reported at
// once and by the name an operator knows. The package also lists the settings
// for the generated documentation.
//
// It never reads the environment of the process by itself, keeps no state, and
// never repeats a value in an error: a value may be a secret that was set under
// the wrong name.
package env
