package contracttest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
)

const document = `
openapi: 3.1.0
info: {title: Test, version: 1.0.0}
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses:
        '200':
          description: A thing.
          headers:
            X-Request-Id: {$ref: '#/components/headers/RequestId'}
            X-Count: {description: How many., schema: {type: integer, minimum: 0, format: int64}}
          content:
            application/json:
              schema: {$ref: '#/components/schemas/Thing'}
            audio/*: {}
        '404': {$ref: '#/components/responses/Missing'}
components:
  headers:
    RequestId: {description: Its id., required: true, schema: {type: string, minLength: 1}}
  responses:
    Missing:
      description: None.
      headers:
        Retry-After: {description: When., required: true, schema: {type: integer}}
      content:
        application/problem+json:
          schema: {type: object, required: [status], properties: {status: {const: 404}}}
  schemas:
    Thing:
      type: object
      required: [id]
      additionalProperties: false
      properties:
        id: {type: string, format: uuid}
        made: {type: string, format: date-time}
        bytes: {type: integer, format: int64}
        part: {$ref: '#/components/schemas/Part'}
    Part:
      type: object
      properties: {size: {type: [integer, 'null'], minimum: 1}}
`

// recorder is a test that records the errors reported to it.
type recorder struct {
	testing.TB
	errors []string
}

func (*recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	contract, err := contracttest.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	const id = `"id":"0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11"`
	for name, test := range map[string]struct {
		status  int
		headers string
		body    string
		// want is part of the error; empty if the response keeps the contract.
		want string
	}{
		"everything":             {200, "Content-Type: application/json|X-Request-Id: a|X-Count: 3", `{` + id + `,"made":"2026-01-02T03:04:05Z","part":{"size":2}}`, ""},
		"null":                   {200, "Content-Type: application/json|X-Request-Id: a", `{` + id + `,"part":{"size":null}}`, ""},
		"media range":            {200, "Content-Type: audio/mpeg|X-Request-Id: a", "sound", ""},
		"referenced response":    {404, "Content-Type: application/problem+json|Retry-After: 1", `{"status":404}`, ""},
		"status":                 {201, "Content-Type: application/json|X-Request-Id: a", `{}`, "the status is not declared"},
		"header":                 {200, "Content-Type: application/json|X-Request-Id: a|X-Other: 1", `{` + id + `}`, "X-Other is not declared"},
		"header missing":         {200, "Content-Type: application/json", `{` + id + `}`, "X-Request-Id is missing"},
		"referenced header":      {404, "Content-Type: application/problem+json", `{"status":404}`, "Retry-After is missing"},
		"header value":           {200, "Content-Type: application/json|X-Request-Id: a|X-Count: -1", `{` + id + `}`, "X-Count"},
		"header type":            {200, "Content-Type: application/json|X-Request-Id: a|X-Count: x", `{` + id + `}`, "X-Count"},
		"empty header":           {200, "Content-Type: application/json|X-Request-Id: ", `{` + id + `}`, "X-Request-Id"},
		"media type":             {200, "Content-Type: text/plain|X-Request-Id: a", "text", "text/plain"},
		"no media type":          {200, "X-Request-Id: a", "text", "media type"},
		"no JSON":                {200, "Content-Type: application/json|X-Request-Id: a", "{", "decode the body"},
		"field missing":          {200, "Content-Type: application/json|X-Request-Id: a", `{}`, "id"},
		"unknown field":          {200, "Content-Type: application/json|X-Request-Id: a", `{` + id + `,"other":1}`, "other"},
		"format":                 {200, "Content-Type: application/json|X-Request-Id: a", `{` + id + `,"made":"today"}`, "date-time"},
		"int64":                  {200, "Content-Type: application/json|X-Request-Id: a", `{` + id + `,"bytes":9223372036854775808}`, "int64"},
		"referenced schema":      {200, "Content-Type: application/json|X-Request-Id: a", `{` + id + `,"part":{"size":0}}`, "minimum"},
		"constant in a response": {404, "Content-Type: application/problem+json|Retry-After: 1", `{"status":405}`, "404"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp := &http.Response{StatusCode: test.status, Header: http.Header{}}
			for line := range strings.SplitSeq(test.headers, "|") {
				key, value, _ := strings.Cut(line, ": ")
				resp.Header.Add(key, value)
			}
			r := &recorder{TB: t}
			contract.Check(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/things/1", nil), resp, []byte(test.body))
			got := strings.Join(r.errors, "\n")
			if test.want == "" && got != "" || test.want != "" && !strings.Contains(got, test.want) {
				t.Errorf("errors %q, want %q", got, test.want)
			}
		})
	}
}

// TestContractOfTheAPI validates api/openapi.yaml with its examples.
func TestContractOfTheAPI(t *testing.T) {
	t.Parallel()
	contract, err := contracttest.Read("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := contract.ValidateExamples(); err != nil {
		t.Error(err)
	}
}
