package wiretest

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"testing"
)

// CheckEnvelope checks an error of Pollinations: the order of its keys and what they say.
func CheckEnvelope(t *testing.T, a Response) {
	t.Helper()
	if keys := KeysInOrder(t, a.Body); !slices.Equal(keys, []string{"success", "error", "status"}) {
		t.Errorf("keys %v", keys)
	}
	fields := a.Fields(t)
	if At(t, fields, "success") != false || int(At(t, fields, "status").(float64)) != a.Status || At(t, fields, "error", "requestId") == nil {
		t.Errorf("envelope %s", a.Body)
	}
}

// KeysInOrder returns the keys of a JSON object in the order of the wire.
func KeysInOrder(t *testing.T, body []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	var keys []string
	depth := 0
	expectKey := false
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				depth++
				expectKey = v == '{'
			default:
				depth--
				expectKey = true
			}
		case string:
			if depth == 1 && expectKey {
				keys = append(keys, v)
				expectKey = false
				continue
			}
			expectKey = true
		default:
			expectKey = true
		}
	}
}
