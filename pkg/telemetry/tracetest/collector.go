// Package tracetest provides a trace collector for tests. It accepts OTLP over HTTP, as Jaeger and Tempo do.
package tracetest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is an exported span. Ids are hexadecimal.
type Span struct {
	Service, Name, Kind       string
	TraceID, SpanID, ParentID string
	// Links are the ids of the linked spans.
	Links []string
	// Attributes holds the values as text.
	Attributes map[string]string
	// Error is the description of the error status, and Failed reports whether the status is an error.
	Error  string
	Failed bool
	Events int
}

// Collector is a server that records the spans exported to it.
type Collector struct {
	// URL is the value for OTEL_EXPORTER_OTLP_ENDPOINT.
	URL string

	mu     sync.Mutex
	spans  []Span
	raw    []byte
	header http.Header
	status int
	failed chan struct{}
}

// Start runs a collector until the test ends.
func Start(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{failed: make(chan struct{}, 100)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// ServeHTTP accepts one export.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	switch {
	case c.status != 0:
		w.WriteHeader(c.status)
		select {
		case c.failed <- struct{}{}:
		default:
		}
		return
	case err != nil, r.Method != http.MethodPost, !strings.HasSuffix(r.URL.Path, "/v1/traces"), proto.Unmarshal(body, &request) != nil:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.raw, c.header = append(c.raw, body...), r.Header
	for _, resource := range request.GetResourceSpans() {
		service := attributes(resource.GetResource().GetAttributes())["service.name"]
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, read(service, s))
			}
		}
	}
}

// Fail makes the collector respond to every export with a status; 0 makes it accept exports again.
func (c *Collector) Fail(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

// Failed receives a value for each export that failed because of Fail.
func (c *Collector) Failed() <-chan struct{} { return c.failed }

// Spans returns the spans exported so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Raw returns the bytes of all exports so far.
func (c *Collector) Raw() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw)
}

// Header returns the headers of the latest export.
func (c *Collector) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header
}

func read(service string, s *otlp.Span) Span {
	span := Span{
		Service: service, Name: s.GetName(), Kind: strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"),
		TraceID: hex.EncodeToString(s.GetTraceId()), SpanID: hex.EncodeToString(s.GetSpanId()), ParentID: hex.EncodeToString(s.GetParentSpanId()),
		Attributes: attributes(s.GetAttributes()), Error: s.GetStatus().GetMessage(),
		Failed: s.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR, Events: len(s.GetEvents()),
	}
	for _, link := range s.GetLinks() {
		span.Links = append(span.Links, hex.EncodeToString(link.GetSpanId()))
	}
	return span
}

func attributes(list []*common.KeyValue) map[string]string {
	values := make(map[string]string, len(list))
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			values[kv.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			values[kv.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			values[kv.GetKey()] = kv.GetValue().String()
		}
	}
	return values
}
