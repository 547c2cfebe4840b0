// Package server is the HTTP API: the native routes, the routes of the original's clients, event streams, probes, the
// contract and the page. It defines every status code, header and sentence that is sent over HTTP, and only it and its
// internal packages import Gin.
//
// Start reading in routes.go. Each resource has a handler struct with only what it needs; server.go wires them, and
// middleware.go has what all routes share. Code that is independent of resources is in internal: problem (errors), bind
// (reading requests), session (identifying callers), ratelimit, sse, respond and lifetime.
//
// The server never talks to NATS or an upstream by itself, holds no state of jobs, and logs no body, query string, prompt
// or address of a caller.
package server
