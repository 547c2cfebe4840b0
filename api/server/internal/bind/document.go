package bind

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// maxDepth is how deeply a body may be nested; valid bodies have two levels.
const maxDepth = 16

// Node is a JSON value as received. Unlike the result of encoding/json it keeps duplicate names and distinguishes missing
// values from wrong ones, so that all errors of a body can be reported at once.
type Node struct {
	Kind    Kind
	Text    string
	Members []Member
	items   []*Node
}

// Member is a name of an object with its value.
type Member struct {
	Name  string
	Value *Node
}

// Kind is the JSON type of a value.
type Kind string

// The JSON types, as in the table of package problem.
const (
	Null   Kind = "null"
	Bool   Kind = "boolean"
	Number Kind = "number"
	String Kind = "string"
	Object Kind = "object"
	Array  Kind = "array"
)

// Parse parses a body, which must be a single JSON object. It returns a problem with the position of the error.
func Parse(body []byte) (*Node, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // Some editors and shells write a byte order mark.
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, problem.New(problem.CodeBodyRequired)
	}
	if at := invalidUTF8(body); at >= 0 {
		return nil, invalidJSON("encoding", at)
	}
	if err := checkSyntax(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	root, err := readNode(d, 0)
	switch {
	case errors.Is(err, errTooDeep):
		return nil, invalidJSON("depth", 0)
	case err != nil:
		return nil, invalidJSON("", int(d.InputOffset()))
	case root.Kind != Object:
		return nil, invalidJSON("object", 0)
	}
	return root, nil
}

func invalidJSON(reason string, offset int) *problem.Problem {
	return &problem.Problem{Code: problem.CodeInvalidJSON, Reason: reason, Args: map[string]string{"offset": strconv.Itoa(offset)}}
}

// checkSyntax fails unless the body is exactly one JSON value.
func checkSyntax(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		offset := len(body)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(syntax.Offset)
		}
		return invalidJSON("", offset)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalidJSON("trailing", int(d.InputOffset()))
	}
	return nil
}

// invalidUTF8 returns the offset of the first byte that is not valid UTF-8, or −1.
func invalidUTF8(b []byte) int {
	for at := 0; at < len(b); {
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

var errTooDeep = errors.New("nested too deeply")

func readNode(d *json.Decoder, depth int) (*Node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return readObject(d, depth)
		}
		return readArray(d, depth)
	case json.Number:
		return &Node{Kind: Number, Text: v.String()}, nil
	case string:
		return &Node{Kind: String, Text: v}, nil
	case bool:
		return &Node{Kind: Bool, Text: strconv.FormatBool(v)}, nil
	}
	return &Node{Kind: Null}, nil
}

func readObject(d *json.Decoder, depth int) (*Node, error) {
	n := &Node{Kind: Object}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		value, err := readNode(d, depth+1)
		if err != nil {
			return nil, err
		}
		n.Members = append(n.Members, Member{name, value})
	}
	_, err := d.Token()
	return n, err
}

func readArray(d *json.Decoder, depth int) (*Node, error) {
	n := &Node{Kind: Array}
	for d.More() {
		item, err := readNode(d, depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.Token()
	return n, err
}
