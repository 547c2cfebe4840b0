package contracttest

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
)

// Request is an example of a request in the contract.
type Request struct {
	Method, Path, Name string
	Body               []byte
}

// Requests returns the examples of all JSON bodies of requests, in a fixed order. It fails the test if a body has no example; Read
// has checked them against their schemas.
func (c *Contract) Requests(t testing.TB) []Request {
	t.Helper()
	var list []Request
	for path, item := range c.Doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil || operation.RequestBody.Value.Content["application/json"] == nil {
				continue
			}
			media := operation.RequestBody.Value.Content["application/json"]
			values := make(map[string]any)
			for name, e := range media.Examples {
				values[name] = e.Value.Value
			}
			if media.Example != nil {
				values[""] = media.Example
			}
			if len(values) == 0 {
				t.Errorf("%s %s has a body without an example", method, path)
			}
			for name, value := range values {
				body, err := json.Marshal(value)
				if err != nil {
					t.Fatalf("%s %s: %v", method, path, err)
				}
				list = append(list, Request{method, path, name, body})
			}
		}
	}
	slices.SortFunc(list, func(a, b Request) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Name, b.Name))
	})
	return list
}
