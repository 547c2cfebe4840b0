package bind

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// TestParse compares documents with the result of encoding/json.
func TestParse(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{}`, ` {	"a" : [ ] , "b":[1 ,-2.5e+3,true,false ,null],"c":{"d":{}}}` + "\r\n",
		`{"text":"\"quoted\\ \u5b57 \ud83d\ude42 \ud800 \/ 字\n","\u0061\"":"x","":""}`,
		`{"a":"}","b":"]","c":",:","d":"\\","e":0}`, `{"n":1,"list":[[],[[2]],{"a":[{"b":null}]}]}`,
	} {
		root, err := Parse([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		var want any
		must(t, json.Unmarshal([]byte(body), &want))
		if got := plain(t, root); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", body, got, want)
		}
	}
}

// TestParseManyValues parses a body with as many values as allowed, and with more.
func TestParseManyValues(t *testing.T) {
	t.Parallel()
	body := func(values int) []byte { return []byte(`{"a":[0` + strings.Repeat(",0", values-3) + `]}`) }
	if _, err := Parse(body(maxValues)); err != nil {
		t.Error(err)
	}
	_, err := Parse(body(maxValues + 1))
	if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != problem.CodeInvalidJSON || p.Reason != "values" {
		t.Errorf("%v", err)
	}
}

// plain returns a value as encoding/json decodes it.
func plain(t *testing.T, n *Node) any {
	t.Helper()
	switch n.Kind {
	case Object:
		members := make(map[string]any)
		for _, m := range n.Members {
			members[m.Name] = plain(t, m.Value)
		}
		return members
	case Array:
		items := make([]any, len(n.items))
		for i, item := range n.items {
			items[i] = plain(t, item)
		}
		return items
	case String:
		return n.Text
	case Bool, Number, Null:
		if n.Kind == Null {
			return nil
		}
		var v any
		must(t, json.Unmarshal([]byte(n.Text), &v))
		return v
	}
	t.Fatalf("kind %q", n.Kind)
	return nil
}
