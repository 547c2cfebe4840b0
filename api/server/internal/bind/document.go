package bind

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// maxDepth is how deeply a body may be nested; valid bodies have two levels.
const maxDepth = 16

// errTooDeep is the end of the message of encoding/json for more than 10,000 levels, which nothing else distinguishes from a syntax error.
const errTooDeep = "exceeded max depth"

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
	if !utf8.Valid(body) {
		return nil, invalidJSON("encoding", invalidUTF8(body))
	}
	if !json.Valid(body) {
		return nil, syntaxProblem(body)
	}
	r := reader{body: body}
	root := r.value(0)
	switch {
	case r.fault != "":
		return nil, invalidJSON(r.fault, 0)
	case root.Kind != Object:
		return nil, invalidJSON("object", 0)
	}
	return root, nil
}

func invalidJSON(reason string, offset int) *problem.Problem {
	return &problem.Problem{Code: problem.CodeInvalidJSON, Reason: reason, Args: map[string]string{"offset": strconv.Itoa(offset)}}
}

// syntaxProblem returns the problem of a body that is not exactly one JSON value.
func syntaxProblem(body []byte) *problem.Problem {
	d := json.NewDecoder(bytes.NewReader(body))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		offset := len(body)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			offset = int(syntax.Offset)
			if strings.HasSuffix(syntax.Error(), errTooDeep) {
				return invalidJSON("depth", 0)
			}
		}
		return invalidJSON("", offset)
	}
	_, _ = d.Token() // It advances to what follows the value.
	return invalidJSON("trailing", int(d.InputOffset()))
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

// maxValues bounds the values in a body, since each takes up to fifty times as much memory as its text. A valid job has at most 150,
// and a batch a thousand jobs.
const maxValues = 256 << 10

// reader reads the values of a body whose syntax is valid.
type reader struct {
	body []byte
	// at is the offset of the next byte.
	at int
	// values counts the values so far.
	values int
	// fault is the reason why the values are incomplete: they are nested too deeply, or too many.
	fault string
}

// skip skips white space, commas and colons, whose places are known to be right, and returns the next byte.
func (r *reader) skip() byte {
	for {
		switch c := r.body[r.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			r.at++
		default:
			return c
		}
	}
}

func (r *reader) value(depth int) *Node {
	r.values++
	switch {
	case depth > maxDepth:
		r.fault = "depth"
	case r.values > maxValues:
		r.fault = "values"
	}
	if r.fault != "" {
		return &Node{Kind: Null}
	}
	switch r.skip() {
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	case '"':
		return &Node{Kind: String, Text: r.text()}
	case 't', 'f':
		return &Node{Kind: Bool, Text: r.literal()}
	case 'n':
		r.literal()
		return &Node{Kind: Null}
	}
	return &Node{Kind: Number, Text: r.literal()}
}

func (r *reader) object(depth int) *Node {
	n := &Node{Kind: Object}
	r.at++
	for r.fault == "" && r.skip() != '}' {
		name := r.text()
		n.Members = append(n.Members, Member{name, r.value(depth + 1)})
	}
	r.at++
	return n
}

func (r *reader) array(depth int) *Node {
	n := &Node{Kind: Array}
	r.at++
	for r.fault == "" && r.skip() != ']' {
		n.items = append(n.items, r.value(depth+1))
	}
	r.at++
	return n
}

// text reads a string.
func (r *reader) text() string {
	start := r.at
	escaped := false
	for r.at++; r.body[r.at] != '"'; r.at++ {
		if r.body[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	if !escaped {
		return string(r.body[start+1 : r.at-1])
	}
	var text string
	_ = json.Unmarshal(r.body[start:r.at], &text) // Its syntax is valid.
	return text
}

// literal reads a number, a boolean or null.
func (r *reader) literal() string {
	start := r.at
	for r.at < len(r.body) && bytes.IndexByte([]byte(" \t\r\n,:]}"), r.body[r.at]) < 0 {
		r.at++
	}
	return string(r.body[start:r.at])
}
