// Package contracttest holds HTTP responses of the API against its contract. It is for tests.
package contracttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Contract is the contract as a router of requests.
type Contract struct {
	Doc    *openapi3.T
	router routers.Router

	mu sync.Mutex
	// held counts the bodies that were held, by operation and status.
	held map[string]int
}

// maxHeld is how many bodies of one operation and status are held against their schema in one run of the tests: the next
// thousands of the same kind cost a good part of a test's time and say nothing new.
const maxHeld = 100

// mayHold reports whether a further body of an operation and status is to be held.
func (c *Contract) mayHold(operation string, status int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(operation, " ", status)
	c.held[key]++
	return c.held[key] <= maxHeld
}

// Read reads a contract.
func Read(file string) (*Contract, error) {
	data, err := os.ReadFile(file) //nolint:gosec // The path is a test's.
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	// The contract's only server is the root, which the router takes for a prefix to cut off.
	doc.Servers = nil
	for _, binary := range []string{
		"image/jpeg", "image/png", "image/webp", "image/gif", "image/svg+xml", "audio/mpeg", "audio/*", "text/html", "text/css", "text/javascript",
		"application/octet-stream", "multipart/byteranges",
	} {
		openapi3filter.RegisterBodyDecoder(binary, openapi3filter.FileBodyDecoder)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	return &Contract{Doc: doc, router: router, held: make(map[string]int)}, nil
}

// general are the headers that the contract describes once for all responses, or that belong to HTTP itself.
var general = []string{
	"Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control",
	"Connection", "Content-Language", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Opener-Policy",
	"Cross-Origin-Resource-Policy", "Date", "ETag", "Etag", "Permissions-Policy", "Referrer-Policy", "Strict-Transport-Security", "Trailer",
	"Vary", "X-Content-Type-Options", "X-Frame-Options", "X-Request-Id",
}

// Hold fails the test when a response is not one that the contract allows: its status, headers, media type and body. A
// request that the contract does not know must be answered with 404 or 405; HEAD is held as GET is.
func (c *Contract) Hold(t testing.TB, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	if isPreflight(req) || req.URL.Opaque != "" {
		return // The router of the contract knows no paths that are written in another way.
	}
	asked := req
	if req.Method == http.MethodHead {
		asked = req.Clone(req.Context())
		asked.Method = http.MethodGet
	}
	if dir, _ := path.Split(asked.URL.Path); strings.HasPrefix(dir, "/assets/") {
		// The parameter of this one path may hold slashes, which the router does not know.
		asked = asked.Clone(req.Context())
		asked.URL.Path, asked.URL.RawPath = "/assets/"+path.Base(asked.URL.Path), ""
	}
	route, parameters, err := c.router.FindRoute(asked)
	if err != nil || resp.StatusCode == http.StatusMethodNotAllowed {
		if s := resp.StatusCode; s != http.StatusNotFound && s != http.StatusMethodNotAllowed && s != http.StatusMisdirectedRequest {
			t.Errorf("%s %s is not in the contract: %v", req.Method, req.URL.Path, err)
		}
		return
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s %s (%s) breaks the contract: status %d: %s; the body is %.300s",
			req.Method, req.URL.Path, route.Operation.OperationID, resp.StatusCode, fmt.Sprintf(format, args...), body)
	}
	allowed := route.Operation.Responses.Status(resp.StatusCode)
	if resp.StatusCode == http.StatusMisdirectedRequest {
		// The contract describes it once for all operations.
		allowed = c.Doc.Components.Responses["HostNotAllowed"]
	}
	if allowed == nil {
		fail("the operation has no such status")
		return
	}
	for name := range resp.Header {
		if !slices.Contains(general, name) && !declares(allowed.Value, name) {
			fail("the header %s is not declared", name)
		}
	}
	if req.Method == http.MethodHead {
		return
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if len(body) > 0 && (err != nil || !covers(allowed.Value.Content, mediaType)) {
		fail("the media type %q is not declared", resp.Header.Get("Content-Type"))
	}
	if resp.StatusCode == http.StatusMisdirectedRequest || !c.mayHold(route.Operation.OperationID, resp.StatusCode) {
		return
	}
	err = openapi3filter.ValidateResponse(req.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		fail("%v", err)
	}
}

// isPreflight reports whether a request is the one that browsers send before a request from another origin.
func isPreflight(req *http.Request) bool {
	return req.Method == http.MethodOptions && req.Header.Get("Access-Control-Request-Method") != ""
}

func declares(r *openapi3.Response, name string) bool {
	for declared := range r.Headers {
		if strings.EqualFold(declared, name) {
			return true
		}
	}
	return false
}

// covers reports whether a media type is among those of a response.
func covers(content openapi3.Content, mediaType string) bool {
	for declared := range content {
		family, wild := strings.CutSuffix(declared, "/*")
		if declared == mediaType || (wild && strings.HasPrefix(mediaType, family+"/")) {
			return true
		}
	}
	return false
}
