package server

import (
	"bytes"
	_ "embed" // The template of /docs.
	"fmt"
	"html/template"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed docs/docs.html
var docsTemplate string

// contract is the part of the OpenAPI document that /docs shows.
type contract struct {
	Title, Version, Description string
	Operations                  []operation
}

type operation struct {
	Method, Path, Summary, Description string
	Parameters                         []parameter
	Responses                          []response
}

type parameter struct{ Name, In, Description string }

type response struct{ Status, Description string }

// renderDocs renders the contract as an HTML page without scripts. It fails when the contract cannot be parsed.
func renderDocs(openAPI []byte) ([]byte, error) {
	var document yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(openAPI, &document, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	page, err := template.New("docs").Parse(docsTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse docs template: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, describe(document)); err != nil {
		return nil, fmt.Errorf("render docs: %w", err)
	}
	return b.Bytes(), nil
}

func describe(document yaml.MapSlice) contract {
	info := mapping(at(document, "info"))
	c := contract{Title: text(info, "title"), Version: text(info, "version"), Description: text(info, "description")}
	for _, path := range mapping(at(document, "paths")) {
		item := mapping(path.Value)
		shared := parameters(document, item)
		for _, entry := range item {
			method := fmt.Sprint(entry.Key)
			switch method {
			case "get", "put", "post", "delete", "patch":
			default:
				continue
			}
			op := mapping(entry.Value)
			c.Operations = append(c.Operations, operation{
				Method: strings.ToUpper(method), Path: fmt.Sprint(path.Key),
				Summary: text(op, "summary"), Description: text(op, "description"),
				Parameters: append(shared[:len(shared):len(shared)], parameters(document, op)...),
				Responses:  responses(document, op),
			})
		}
	}
	return c
}

func parameters(document, owner yaml.MapSlice) []parameter {
	var list []parameter
	items, _ := at(owner, "parameters").([]any)
	for _, item := range items {
		p := resolve(document, mapping(item))
		list = append(list, parameter{text(p, "name"), text(p, "in"), text(p, "description")})
	}
	return list
}

func responses(document, op yaml.MapSlice) []response {
	var list []response
	for _, entry := range mapping(at(op, "responses")) {
		resp := resolve(document, mapping(entry.Value))
		list = append(list, response{fmt.Sprint(entry.Key), text(resp, "description")})
	}
	return list
}

// resolve follows a reference into the same document.
func resolve(document, m yaml.MapSlice) yaml.MapSlice {
	ref := text(m, "$ref")
	if !strings.HasPrefix(ref, "#/") {
		return m
	}
	var v any = document
	for name := range strings.SplitSeq(ref[2:], "/") {
		v = at(mapping(v), name)
	}
	return mapping(v)
}

func mapping(v any) yaml.MapSlice {
	m, _ := v.(yaml.MapSlice)
	return m
}

func at(m yaml.MapSlice, key string) any {
	for _, entry := range m {
		if fmt.Sprint(entry.Key) == key {
			return entry.Value
		}
	}
	return nil
}

func text(m yaml.MapSlice, key string) string {
	v := at(m, key)
	if v == nil {
		return ""
	}
	return strings.TrimSpace(fmt.Sprint(v))
}
