package kit

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// The variations that the kit implements, or that several hosts do. They have no
// Fault: the successful response is given, but changed.
const (
	FaultTruncated = "truncated"      // a Content-Length larger than the body, then the connection is closed
	FaultStalled   = "stalled"        // half of the body, then silence until the client goes away
	FaultEmpty     = "empty"          // status 200 without a body
	FaultSpacing   = "legacy_spacing" // the legacy hosts reject generations that follow too closely
)

// Variations returns faults without a response of their own, for Host.Faults.
func Variations(names ...string) map[string]Fault {
	faults := map[string]Fault{}
	for _, name := range names {
		faults[name] = nil
	}
	return faults
}

// builtinFaults returns the faults that are independent of any host.
func builtinFaults() map[string]Fault {
	page := func(status int, title, text string) Fault {
		return func(x *Exchange) { x.Page(status, title, text) }
	}
	plain := func(status int, contentType, text string) Fault {
		return func(x *Exchange) { x.Send(status, contentType, []byte(text)) }
	}
	const text = "text/plain; charset=UTF-8"
	faults := map[string]Fault{
		// Responses of proxies in front of the upstream.
		"html_520": page(520, "520: Web server is returning an unknown error", "The origin sent something that is no answer."),
		"html_521": page(521, "521: Web server is down", "The origin refused the connection."),
		"html_522": page(522, "522: Connection timed out", "The origin could not be reached in time."),
		"html_523": page(523, "523: Origin is unreachable", "There is no way to the origin."),
		"html_502": page(http.StatusBadGateway, "502 Bad Gateway", "Unable to reach the origin service."),
		"html_504": page(http.StatusGatewayTimeout, "504 Gateway Timeout", "The origin did not answer in time."),
		"html_524": page(524, "524: A timeout occurred", "The origin web server timed out responding to this request."),
		"text_503": plain(http.StatusServiceUnavailable, text, "Generation coordination is unavailable"),
		"text_530": plain(530, text, "error code: 1033"),

		// Responses with status 200 that are not what was requested.
		"wrong_type": page(http.StatusOK, "Just a moment...", "Checking your browser before accessing the service."),
		"not_json":   plain(http.StatusOK, "application/json", `{"id":"chatcmpl-0","choices":[{"index":0,"message":{"role":"assist`),
		"garbage": func(x *Exchange) {
			x.Send(http.StatusOK, x.mediaType(), []byte("upstream connect error or disconnect/reset before headers"))
		},

		"hang":         (*Exchange).Hang,
		"reset":        (*Exchange).reset,
		"redirect":     (*Exchange).redirect,
		"endless_body": (*Exchange).endlessBody,
		"gzip_bomb":    (*Exchange).gzipBomb,
	}
	maps.Copy(faults, Variations(FaultTruncated, FaultStalled, FaultEmpty, FaultSpacing))
	return faults
}

// FaultNames returns the names of all faults, sorted.
func (s *Server) FaultNames() []string { return slices.Sorted(maps.Keys(s.faults)) }

// Hang waits until the client goes away.
func (x *Exchange) Hang() { <-x.Context().Done() }

// reset closes the connection without sending a byte.
func (x *Exchange) reset() {
	x.Finish(0)
	panic(http.ErrAbortHandler)
}

// sendHalf announces the whole body and sends half of it. Then it closes the
// connection, or with FaultStalled waits until the client goes away.
func (x *Exchange) sendHalf(status int, body []byte) {
	if len(body) < 2 {
		body = []byte("  ")
		x.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	stalled := x.Varies(FaultStalled)
	if !stalled {
		x.Finish(status)
	}
	x.w.WriteHeader(status)
	x.Write(body[:len(body)/2]) // An error means that the client went away.
	if stalled {
		x.Hang()
		return
	}
	panic(http.ErrAbortHandler)
}
