package migrate_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// limit is the maximum size of an entry in the tests.
const limit = 64 << 10

// readAll returns the entries of an export as strings.
func readAll(r io.Reader) (entries []string, err error) {
	err = migrate.ForEachUpTo(r, limit, func(e migrate.Entry) error {
		entries = append(entries, fmt.Sprintf("%d %s=%s", e.Position, e.Key, e.Value))
		return nil
	})
	return entries, err
}

func TestForEach(t *testing.T) {
	t.Parallel()
	const mark = "\ufeff"
	two := `[{"name":"a","value":"{\"x\":1}"},{"key":"b","value":{"x":2}}]`
	both := []string{`1 a={"x":1}`, `2 b={"x":2}`}
	for name, c := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"text and JSON":        {two, both, ""},
		"byte order mark":      {mark + two, both, ""},
		"CRLF":                 {strings.ReplaceAll(two, ",{", ",\r\n{") + "\r\n", both, ""},
		"empty":                {" [ ] ", nil, ""},
		"name and key":         {`[{"name":"a","key":"a","value":"1"}]`, []string{"1 a=1"}, ""},
		"name and another key": {`[{"name":"a","key":"b","value":"1"}]`, []string{"1 a=1"}, ""},
		"further fields":       {`[{"key":"a","value":"1","expiration":5,"metadata":{"b":[1]}}]`, []string{"1 a=1"}, ""},
		"base64":               {`[{"key":"a","value":"` + base64.StdEncoding.EncodeToString([]byte("hi")) + `","base64":true}]`, []string{"1 a=hi"}, ""},
		"invalid base64":       {`[{"key":"a","value":"!","base64":true}]`, []string{"1 a=!"}, ""},
		"no value":             {`[{"key":"a"},{"key":"b","value":null},{},null]`, []string{"1 a=", "2 b=", "3 =", "4 ="}, ""},
		"nothing":              {"", nil, "not a JSON array"},
		"only a BOM":           {mark, nil, "not a JSON array"},
		"half a BOM":           {mark[:2], nil, "not a JSON array"},
		"an object":            {`{"a":"1"}`, nil, "not a JSON array"},
		"truncated after one":  {two[:len(two)-1], both, "truncated"},
		"truncated within one": {two[:len(two)-9], both[:1], "entry 2 is incomplete"},
		"no entry":             {`[1]`, nil, "entry 1 is not JSON of the form"},
		"not JSON":             {`[{"name":"a","value":"1"},{"name":]`, []string{"1 a=1"}, "entry 2 is not JSON of the form"},
		"two arrays":           {two + "\n" + two, both, "unexpected data after"},
		"too large":            {`[{"name":"a","value":"1"},{"name":"b","value":"` + strings.Repeat("x", 2*limit) + `"}]`, []string{"1 a=1"}, "entry 2 is larger than"},
		"too many spaces":      {"[" + strings.Repeat(" ", limit+1), nil, "truncated"},
		"many entries":         {"[" + strings.Repeat(`{"name":"a","value":"`+strings.Repeat("x", limit/4)+`"},`, 70) + `{}]`, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readAll(strings.NewReader(c.text))
			if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
				t.Errorf("the error is %v", err)
			}
			if name != "many entries" && !slices.Equal(got, c.want) {
				t.Errorf("the entries are %.200q", got)
			}
			if name == "many entries" && len(got) != 71 {
				t.Errorf("%d entries", len(got))
			}
		})
	}
}

func TestForEachStops(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	n := 0
	err := migrate.ForEach(strings.NewReader(`[{},{},{}]`), func(e migrate.Entry) error {
		if n++; e.Position == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		t.Errorf("%v after %d entries", err, n)
	}
}

func FuzzForEach(f *testing.F) {
	f.Add(`[{"name":"a","value":"{}"}]`)
	f.Add("\ufeff[{\"key\":\"a\",\"value\":{},\"base64\":true}] x")
	f.Fuzz(func(t *testing.T, text string) {
		position := 0
		_ = migrate.ForEach(strings.NewReader(text), func(e migrate.Entry) error {
			if position++; e.Position != position {
				t.Errorf("entry %d has the position %d", position, e.Position)
			}
			return nil
		})
	})
}
