package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// example is an example of a body.
type example struct{ Name, Text string }

// examples returns the examples of a media type, or else those of its schema.
func (r *renderer) examples(media yaml.MapSlice) []example {
	var list []example
	for _, entry := range mapping(at(media, "examples")) {
		e := r.document.resolve(mapping(entry.Value))
		name := text(e, "summary")
		if name == "" {
			name = fmt.Sprint(entry.Key)
		}
		list = append(list, example{name, indented(at(e, "value"))})
	}
	if value := at(media, "example"); value != nil {
		list = append(list, example{Text: indented(value)})
	}
	if len(list) > 0 {
		return list
	}
	for _, value := range sequence(at(r.document.resolve(mapping(at(media, "schema"))), "examples")) {
		list = append(list, example{Text: indented(value)})
	}
	return list
}

// encode returns a value as JSON on one line. A value that is not valid JSON is returned as text.
func encode(value any) string {
	if s, ok := value.(string); ok {
		// Without the escapes for HTML.
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
	data, err := yaml.MarshalWithOptions(value, yaml.JSON())
	if err != nil {
		return fmt.Sprint(value)
	}
	return strings.TrimSpace(string(data))
}

// indented returns a value as indented JSON; a text, such as an event stream, as it is.
func indented(value any) string {
	if s, ok := value.(string); ok {
		return strings.TrimSpace(s)
	}
	data, err := yaml.MarshalWithOptions(value, yaml.JSON())
	if err != nil {
		return fmt.Sprint(value)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(data), "", "  "); err != nil {
		return strings.TrimSpace(string(data))
	}
	return b.String()
}

// origin stands for the URL of the installation. The script of the page replaces it.
const origin = "https://api.example.com"

// curl returns the command that sends a request.
func (o *operation) curl() string {
	var b strings.Builder
	b.WriteString("curl")
	if o.Method != "GET" {
		b.WriteString(" -X " + o.Method)
	}
	b.WriteString(" '" + origin + o.Path + "'")
	if o.Secret != "" {
		b.WriteString(" \\\n  -H \"Authorization: Bearer " + o.Secret + "\"")
	}
	if body := o.body(); body != "" {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' \\\n  -d '" + strings.ReplaceAll(body, "'", `'\''`) + "'")
	}
	return b.String()
}

// javaScript returns the code that sends a request from a page of the same origin.
func (o *operation) javaScript() string {
	var options []string
	if o.Method != "GET" {
		options = append(options, fmt.Sprintf("method: %q", o.Method))
	}
	var headers []string
	if o.Secret != "" {
		headers = append(headers, "Authorization: `Bearer ${token}`")
	}
	body := o.body()
	if body != "" {
		headers = append(headers, `"Content-Type": "application/json"`)
	}
	if len(headers) > 0 {
		options = append(options, "headers: {"+strings.Join(headers, ", ")+"}")
	}
	if body != "" {
		options = append(options, "body: JSON.stringify("+strings.ReplaceAll(body, "\n", "\n  ")+")")
	}
	arguments := fmt.Sprintf("%q", o.Path)
	if len(options) > 0 {
		arguments += ", {\n  " + strings.Join(options, ",\n  ") + ",\n}"
	}
	if o.Streams {
		return fmt.Sprintf(stream, o.Path)
	}
	return "const response = await fetch(" + arguments + ");\nconst result = await response.json();"
}

// stream is the code that follows an event stream, whose events have the status of the job as their name.
const stream = `const events = new EventSource(%q);
for (const status of ["queued", "running", "retrying", "succeeded", "failed", "canceled"]) {
  events.addEventListener(status, (event) => console.log(JSON.parse(event.data)));
}`

// body returns the first example of the body, or "".
func (o *operation) body() string {
	if o.Body == nil || len(o.Body.Examples) == 0 {
		return ""
	}
	return o.Body.Examples[0].Text
}
