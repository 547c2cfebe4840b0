// Package telemetry provides logging, metrics and tracing: the logger, the metrics
// and the server that exposes them, the spans and their exporter, and the version
// of the program.
//
// It owns the names of all metrics, spans and shared log attributes. It has no
// global registry or logger. Metric labels never hold a user id, a job id, a prompt
// or a raw path, since each value would create a series of its own.
package telemetry
