// Package server is the HTTP surface: the native routes, the routes that the clients of the original call, live events,
// probes, the contract and the page. It owns every status code, every header and every sentence that goes out over HTTP,
// and is the only package that knows Gin.
//
// It never talks to NATS or to an upstream by itself, holds no state of a job, and writes no body, query string, prompt
// or address of a caller into a log line.
package server
