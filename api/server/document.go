package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested; what we read has two levels.
const maxDepth = 16

// node is a JSON value as it came in. Unlike what encoding/json makes of it, it keeps duplicate names and tells a
// missing value from a wrong one, so that every fault of a body can be named at once.
type node struct {
	kind    nodeKind
	text    string
	members []member
	items   []*node
}

type member struct {
	name  string
	value *node
}

type nodeKind string

// The kinds of value; they are the words of the table wants.
const (
	kindNull   nodeKind = "null"
	kindBool   nodeKind = "boolean"
	kindNumber nodeKind = "number"
	kindString nodeKind = "string"
	kindObject nodeKind = "object"
	kindArray  nodeKind = "array"
)

// parse reads a body that must be one JSON object. It fails with a *problem that says where the fault lies.
func parse(body []byte) (*node, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) // Some editors and shells put a byte order mark there.
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, &problem{code: codeNoBody}
	}
	if at := invalidUTF8(body); at >= 0 {
		return nil, invalidJSON("encoding", at)
	}
	if err := check(body); err != nil {
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
	case root.kind != kindObject:
		return nil, invalidJSON("object", 0)
	}
	return root, nil
}

func invalidJSON(reason string, offset int) *problem {
	return &problem{code: codeInvalidJSON, reason: reason, args: map[string]string{"offset": strconv.Itoa(offset)}}
}

// check looks whether the body is exactly one JSON value.
func check(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	var whole json.RawMessage
	if err := d.Decode(&whole); err != nil {
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

// invalidUTF8 returns where the first byte lies that belongs to no character, or −1.
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

func readNode(d *json.Decoder, depth int) (*node, error) {
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
		return &node{kind: kindNumber, text: v.String()}, nil
	case string:
		return &node{kind: kindString, text: v}, nil
	case bool:
		return &node{kind: kindBool, text: strconv.FormatBool(v)}, nil
	}
	return &node{kind: kindNull}, nil
}

func readObject(d *json.Decoder, depth int) (*node, error) {
	n := &node{kind: kindObject}
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
		n.members = append(n.members, member{name, value})
	}
	_, err := d.Token()
	return n, err
}

func readArray(d *json.Decoder, depth int) (*node, error) {
	n := &node{kind: kindArray}
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
