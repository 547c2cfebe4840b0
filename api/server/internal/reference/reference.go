// Package reference renders an OpenAPI document as a page in HTML, which can be read without scripts.
package reference

import (
	"bytes"
	_ "embed" // The template, the styles and the script of the page.
	"fmt"
	"html/template"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

//go:embed reference.html
var pageTemplate string

//go:embed assets/docs.css
var styles []byte

//go:embed assets/docs.js
var script []byte

// Assets returns the files that the page loads from /assets, by name.
func Assets() map[string][]byte { return map[string][]byte{"docs.css": styles, "docs.js": script} }

// page is what the template shows.
type page struct {
	Lang, Other    string
	T              map[string]string
	Title, Version string
	Description    template.HTML
	Tags           []tag
	Schemas        []schema
}

// tag is a group of operations.
type tag struct {
	Name, Anchor string
	Description  template.HTML
	Operations   []*operation
}

type operation struct {
	ID, Method, Path, Summary string
	Description               template.HTML
	Parameters                []parameter
	Body                      *body
	Responses                 []response
	Curl, JavaScript          string
	// Secret is the variable whose value must be sent as the Bearer token; empty if the operation needs none.
	Secret string
	// Streams reports whether the response is an event stream.
	Streams bool
}

type parameter struct {
	Name, In    string
	Required    bool
	Type        template.HTML
	Notes       []string
	Example     string
	Description template.HTML
}

type body struct {
	MediaType string
	Schema    schema
	Examples  []example
}

type response struct {
	Status      string
	Description template.HTML
	Headers     []string
	Bodies      []body
}

// Reference is an OpenAPI document that can be rendered.
type Reference struct{ document *document }

// New returns the reference of a document. It fails when the document cannot be parsed.
func New(openAPI []byte) (*Reference, error) {
	d, err := parse(openAPI)
	if err != nil {
		return nil, err
	}
	return &Reference{d}, nil
}

type renderer struct {
	document *document
	prose    goldmark.Markdown
}

// Render returns the page with the labels in a language, "en" or "zh". It costs some ten milliseconds.
func (f *Reference) Render(lang string) ([]byte, error) {
	r := &renderer{document: f.document, prose: goldmark.New(goldmark.WithExtensions(extension.Table))}
	t, err := template.New("reference").Funcs(template.FuncMap{"dict": dict}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse docs template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.page(lang)); err != nil {
		return nil, fmt.Errorf("render docs: %w", err)
	}
	return b.Bytes(), nil
}

// dict returns a map of pairs of a key and a value, so that a template can pass several values to another.
func dict(pairs ...any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

func (r *renderer) page(lang string) page {
	info := mapping(at(r.document.root, "info"))
	p := page{
		Lang: lang, Other: "zh", T: labels[lang], Title: text(info, "title"), Version: text(info, "version"),
		Description: r.markdown(text(info, "description")),
	}
	if lang == "zh" {
		p.Other = "en"
	}
	for _, entry := range sequence(at(r.document.root, "tags")) {
		m := mapping(entry)
		p.Tags = append(p.Tags, r.newTag(text(m, "name"), text(m, "description")))
	}
	for _, path := range mapping(at(r.document.root, "paths")) {
		item := mapping(path.Value)
		for _, entry := range item {
			method := fmt.Sprint(entry.Key)
			switch method {
			case "get", "put", "post", "delete", "patch":
			default:
				continue
			}
			m := mapping(entry.Value)
			o := r.operation(strings.ToUpper(method), fmt.Sprint(path.Key), item, m)
			t := p.tag(r, m)
			t.Operations = append(t.Operations, o)
		}
	}
	for _, entry := range mapping(at(mapping(at(r.document.root, "components")), "schemas")) {
		p.Schemas = append(p.Schemas, r.schema(fmt.Sprint(entry.Key), mapping(entry.Value)))
	}
	return p
}

// tag returns the group of an operation, which is added if the document does not list it.
func (p *page) tag(r *renderer, op yaml.MapSlice) *tag {
	name := ""
	if tags := sequence(at(op, "tags")); len(tags) > 0 {
		name = fmt.Sprint(tags[0])
	}
	for i := range p.Tags {
		if p.Tags[i].Name == name {
			return &p.Tags[i]
		}
	}
	p.Tags = append(p.Tags, r.newTag(name, ""))
	return &p.Tags[len(p.Tags)-1]
}

func (r *renderer) newTag(name, description string) tag {
	anchor := "tag-" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
	return tag{Name: name, Anchor: anchor, Description: r.markdown(description)}
}

func (r *renderer) operation(method, path string, item, m yaml.MapSlice) *operation {
	o := &operation{
		ID: text(m, "operationId"), Method: method, Path: path, Summary: text(m, "summary"),
		Description: r.markdown(text(m, "description")), Secret: secretOf(m),
	}
	if o.ID == "" {
		o.ID = strings.NewReplacer("/", "-", "{", "", "}", "").Replace(strings.ToLower(method) + path)
	}
	for _, list := range []any{at(item, "parameters"), at(m, "parameters")} {
		for _, entry := range sequence(list) {
			o.Parameters = append(o.Parameters, r.parameter(r.document.resolve(mapping(entry))))
		}
	}
	if bodies := r.bodies(r.document.resolve(mapping(at(m, "requestBody")))); len(bodies) > 0 {
		o.Body = &bodies[0]
	}
	for _, entry := range mapping(at(m, "responses")) {
		resp := r.document.resolve(mapping(entry.Value))
		answer := response{
			Status: fmt.Sprint(entry.Key), Description: r.markdown(text(resp, "description")), Bodies: r.bodies(resp),
		}
		for _, header := range mapping(at(resp, "headers")) {
			answer.Headers = append(answer.Headers, fmt.Sprint(header.Key))
		}
		for _, b := range answer.Bodies {
			o.Streams = o.Streams || b.MediaType == "text/event-stream"
		}
		o.Responses = append(o.Responses, answer)
	}
	o.Curl, o.JavaScript = o.curl(), o.javaScript()
	return o
}

func (r *renderer) parameter(m yaml.MapSlice) parameter {
	s := mapping(at(m, "schema"))
	p := parameter{
		Name: text(m, "name"), In: text(m, "in"), Required: text(m, "required") == "true", Type: r.typeOf(s),
		Notes: notes(r.document.resolve(s)), Description: r.markdown(text(m, "description")), Example: text(m, "example"),
	}
	return p
}

// bodies returns the bodies of a request or a response, one for each media type.
func (r *renderer) bodies(m yaml.MapSlice) []body {
	var list []body
	for _, entry := range mapping(at(m, "content")) {
		media := mapping(entry.Value)
		s := mapping(at(media, "schema"))
		b := body{MediaType: fmt.Sprint(entry.Key), Examples: r.examples(media)}
		name := schemaName(s)
		if name != "" || len(s) > 0 {
			b.Schema = r.schema(name, r.document.resolve(s))
		}
		list = append(list, b)
	}
	return list
}

// secretOf returns the variable whose value an operation needs as its Bearer token.
func secretOf(op yaml.MapSlice) string {
	for _, entry := range sequence(at(op, "security")) {
		for _, scheme := range mapping(entry) {
			switch fmt.Sprint(scheme.Key) {
			case "adminBearer":
				return "$ADMIN_KEY"
			case "memberBearer":
				return "$TOKEN"
			case "healthToken":
				return "$HEALTH_CHECK_TOKEN"
			}
		}
	}
	return ""
}

// markdown renders a description. Raw HTML in it is left out.
func (r *renderer) markdown(source string) template.HTML {
	var b bytes.Buffer
	if err := r.prose.Convert([]byte(source), &b); err != nil {
		return escape(source)
	}
	return template.HTML(b.String()) //nolint:gosec // Goldmark escapes the text and drops raw HTML.
}
