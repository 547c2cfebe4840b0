package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documentURL is what the schemas of the contract are relative to.
const documentURL = "contract.json"

// schemas validates values against the schemas of the contract. Each is compiled once: to compile it for each response, as
// openapi3filter does, costs more than the request.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

func newSchemas(doc *openapi3.T) (*schemas, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode the document: %w", err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode the document: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "int64", Validate: validateInt64})
	for _, format := range unchecked {
		c.RegisterFormat(&jsonschema.Format{Name: format, Validate: func(any) error { return nil }})
	}
	if err := c.AddResource(documentURL, document); err != nil {
		return nil, fmt.Errorf("add the document: %w", err)
	}
	return &schemas{compiler: c, compiled: make(map[string]*jsonschema.Schema)}, nil
}

// unchecked are formats of which tests use other values: ids that can be read, and addresses that are too long.
var unchecked = []string{"uuid", "email", "uri", "uri-reference"}

// validateInt64 is for a format of OpenAPI that JSON Schema does not have.
func validateInt64(value any) error {
	if number, ok := value.(json.Number); ok {
		if _, err := number.Int64(); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
	}
	return nil
}

// validate validates a value against the schema at a JSON pointer.
func (s *schemas) validate(pointer string, value any) error {
	schema, err := s.at(pointer)
	if err != nil {
		return err
	}
	return schema.Validate(value) //nolint:wrapcheck // It says where the value breaks which schema.
}

func (s *schemas) at(pointer string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[pointer]; schema != nil {
		return schema, nil
	}
	schema, err := s.compiler.Compile(documentURL + pointer)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	s.compiled[pointer] = schema
	return schema, nil
}

// response is what the contract says about a response, and where.
type response struct {
	*openapi3.Response
	pointer string
}

// escape escapes a key for a JSON pointer in a URL.
var escape = strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "{", "%7B", "}", "%7D", "*", "%2A")

// pointerTo returns the pointer to an object of the contract, which is at path below base unless it is a reference.
func pointerTo(ref, base string, path ...string) string {
	if ref != "" {
		return ref
	}
	for _, part := range path {
		base += "/" + escape.Replace(part)
	}
	return base
}

// validateHeaders reports the first header that is missing or breaks its schema.
func (s *schemas) validateHeaders(r response, header http.Header) error {
	for name, declared := range r.Headers {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			continue
		}
		values := header.Values(name)
		if len(values) == 0 {
			if declared.Value.Required {
				return fmt.Errorf("the header %s is missing", name)
			}
			continue
		}
		if declared.Value.Schema == nil {
			continue
		}
		value, err := decodeHeader(declared.Value.Schema.Value, values[0])
		if err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
		at := pointerTo(declared.Ref, r.pointer, "headers", name)
		if err := s.validate(at+"/schema", value); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	return nil
}

// decodeHeader returns the value of a header, of a type that the contract uses for headers.
func decodeHeader(schema *openapi3.Schema, value string) (any, error) {
	switch {
	case schema.Type.Is(openapi3.TypeString):
		return value, nil
	case schema.Type.Is(openapi3.TypeInteger):
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		return json.Number(value), nil
	}
	return nil, fmt.Errorf("a header of type %v is not supported", schema.Type)
}

// validateBody reports how a body breaks the schema of its media type.
func (s *schemas) validateBody(r response, contentType string, body []byte) error {
	if len(r.Content) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("read the media type: %w", err)
	}
	declared, found := declaredType(r.Content, mediaType)
	if !found {
		return fmt.Errorf("the media type %q is not declared", contentType)
	}
	if r.Content[declared].Schema == nil {
		return nil
	}
	var value any = string(body)
	if mediaType == "application/json" || mediaType == "application/problem+json" {
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil {
			return fmt.Errorf("decode the body: %w", err)
		}
	}
	return s.validate(pointerTo("", r.pointer, "content", declared, "schema"), value)
}

// declaredType returns the entry of content for a media type: itself, or a range such as audio/*.
func declaredType(content openapi3.Content, mediaType string) (string, bool) {
	family, _, _ := strings.Cut(mediaType, "/")
	for _, declared := range []string{mediaType, family + "/*"} {
		if content[declared] != nil {
			return declared, true
		}
	}
	return "", false
}

// unvalidated are the statuses whose responses have no body of their own.
var unvalidated = []int{http.StatusNotModified, http.StatusPermanentRedirect, http.StatusTemporaryRedirect, http.StatusMovedPermanently}

// validateResponse reports how a response breaks what the contract says about it.
func (s *schemas) validateResponse(r response, resp *http.Response, body []byte) error {
	if slices.Contains(unvalidated, resp.StatusCode) {
		return nil
	}
	if err := s.validateHeaders(r, resp.Header); err != nil {
		return err
	}
	return s.validateBody(r, resp.Header.Get("Content-Type"), body)
}
