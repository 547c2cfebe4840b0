// Package contracttest checks HTTP responses of the API against its OpenAPI document.
package contracttest

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Contract is the OpenAPI document of the API.
type Contract struct {
	Doc     *openapi3.T
	router  routers.Router
	schemas *schemas

	mu sync.Mutex
	// validated counts the validated bodies by operation and status.
	validated map[string]int
}

// maxValidated is how many bodies of an operation and status are validated against their schema in one test run. Validating
// thousands more takes long and finds nothing new.
const maxValidated = 100

// shouldValidate reports whether to validate another body of an operation and status, and counts it.
func (c *Contract) shouldValidate(operation string, status int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(operation, " ", status)
	c.validated[key]++
	return c.validated[key] <= maxValidated
}

// Read reads and validates an OpenAPI document. ValidateExamples validates its examples too, which takes several times as long.
func Read(file string) (*Contract, error) {
	data, err := os.ReadFile(file) //nolint:gosec // Tests choose the path.
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	// The router would cut off the only server, the root, as a prefix.
	doc.Servers = nil
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation()) // It validates the document.
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	compiled, err := newSchemas(doc)
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	return &Contract{Doc: doc, router: router, schemas: compiled, validated: make(map[string]int)}, nil
}

// ValidateExamples validates the document and its examples.
func (c *Contract) ValidateExamples() error {
	if err := c.Doc.Validate(context.Background()); err != nil {
		return fmt.Errorf("validate contract: %w", err)
	}
	return nil
}

// commonHeaders are headers of HTTP itself and those that the contract describes once for all responses.
var commonHeaders = []string{
	"Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Cache-Control",
	"Connection", "Content-Language", "Content-Length", "Content-Security-Policy", "Content-Type", "Cross-Origin-Opener-Policy",
	"Cross-Origin-Resource-Policy", "Date", "ETag", "Etag", "Permissions-Policy", "Referrer-Policy", "Strict-Transport-Security", "Trailer",
	"Vary", "X-Content-Type-Options", "X-Frame-Options", "X-Request-Id",
}

// Check fails the test if the contract does not allow the status, headers, media type or body of a response. A request that
// is not in the contract must get 404 or 405. HEAD is checked as GET.
func (c *Contract) Check(t testing.TB, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	if isPreflight(req) || req.URL.Opaque != "" {
		return // The router does not support these requests.
	}
	lookup := req
	if req.Method == http.MethodHead {
		lookup = req.Clone(req.Context())
		lookup.Method = http.MethodGet
	}
	if dir, _ := path.Split(lookup.URL.Path); strings.HasPrefix(dir, "/assets/") {
		// The parameter of this path may contain slashes, which the router does not support.
		lookup = lookup.Clone(req.Context())
		lookup.URL.Path, lookup.URL.RawPath = "/assets/"+path.Base(lookup.URL.Path), ""
	}
	route, _, err := c.router.FindRoute(lookup)
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
	if allowed == nil {
		fail("the status is not declared")
		return
	}
	for name := range resp.Header {
		if !slices.Contains(commonHeaders, name) && !declares(allowed.Value, name) {
			fail("the header %s is not declared", name)
		}
	}
	if req.Method == http.MethodHead {
		return
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	_, covered := declaredType(allowed.Value.Content, mediaType)
	if len(body) > 0 && (err != nil || !covered) {
		fail("the media type %q is not declared", resp.Header.Get("Content-Type"))
	}
	if !c.shouldValidate(route.Operation.OperationID, resp.StatusCode) {
		return
	}
	declared := response{allowed.Value, pointerTo(
		allowed.Ref, "#", "paths", route.Path, strings.ToLower(route.Method), "responses", strconv.Itoa(resp.StatusCode),
	)}
	if err := c.schemas.validateResponse(declared, resp, body); err != nil {
		fail("%v", err)
	}
}

// isPreflight reports whether a request is a CORS preflight.
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
