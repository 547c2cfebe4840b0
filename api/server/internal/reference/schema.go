package reference

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// schema is a schema of the contract, as a table of its fields or a list of its variants.
type schema struct {
	Name        string
	Type        template.HTML
	Description template.HTML
	Notes       []string
	Fields      []field
	// Variants are the names of the schemas of which one applies.
	Variants []string
}

// field is a row in the table of a schema. Path is its name, behind the names of the objects that it is in.
type field struct {
	Path        string
	Type        template.HTML
	Required    bool
	Notes       []string
	Description template.HTML
}

func (r *renderer) schema(name string, m yaml.MapSlice) schema {
	s := schema{Name: name, Type: r.typeOf(m), Description: r.markdown(text(m, "description")), Notes: notes(m)}
	for _, variant := range slices.Concat(sequence(at(m, "oneOf")), sequence(at(m, "anyOf"))) {
		if name := schemaName(mapping(variant)); name != "" {
			s.Variants = append(s.Variants, name)
		}
	}
	s.Fields = r.fields("", m)
	return s
}

// fields returns the fields of an object and of the objects and arrays of objects that are described within it.
func (r *renderer) fields(prefix string, m yaml.MapSlice) []field {
	var list []field
	for _, part := range sequence(at(m, "allOf")) {
		list = append(list, r.fields(prefix, r.document.resolve(mapping(part)))...)
	}
	required := sequence(at(m, "required"))
	for _, entry := range mapping(at(m, "properties")) {
		name, property := fmt.Sprint(entry.Key), mapping(entry.Value)
		list = append(list, field{
			Path: prefix + name, Type: r.typeOf(property), Required: slices.Contains(required, any(name)),
			Notes: notes(property), Description: r.markdown(r.describe(property)),
		})
		list = append(list, r.fields(prefix+name+".", property)...)
		list = append(list, r.fields(prefix+name+"[].", mapping(at(property, "items")))...)
	}
	return list
}

// describe returns the description of a property, or else that of a schema without fields to which it refers.
func (r *renderer) describe(property yaml.MapSlice) string {
	if own := text(property, "description"); own != "" || schemaName(property) == "" {
		return own
	}
	return text(r.document.resolve(property), "description")
}

// typeOf returns a short description of the type, in which the names of schemas are links.
func (r *renderer) typeOf(m yaml.MapSlice) template.HTML {
	if name := schemaName(m); name != "" {
		return link(name)
	}
	for _, key := range []string{"oneOf", "anyOf", "allOf"} {
		if variants := sequence(at(m, key)); len(variants) > 0 {
			types := make([]string, len(variants))
			for i, variant := range variants {
				types[i] = string(r.typeOf(mapping(variant)))
			}
			return template.HTML(strings.Join(types, " | ")) //nolint:gosec // typeOf escapes.
		}
	}
	if value := at(m, "const"); value != nil {
		return escape(encode(value))
	}
	if values := sequence(at(m, "enum")); len(values) > 0 {
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = encode(v)
		}
		return escape(strings.Join(texts, " | "))
	}
	kinds := sequence(at(m, "type"))
	if len(kinds) == 0 {
		kinds = []any{text(m, "type")}
	}
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = fmt.Sprint(kind)
	}
	name := escape(strings.Join(names, " | "))
	if items := mapping(at(m, "items")); text(m, "type") == "array" && len(items) > 0 {
		return "array of " + r.typeOf(items)
	}
	return name
}

func link(name string) template.HTML {
	return template.HTML(fmt.Sprintf(`<a href="#schema-%s">%[1]s</a>`, template.HTMLEscapeString(name))) //nolint:gosec // Escaped.
}

func escape(s string) template.HTML {
	return template.HTML(template.HTMLEscapeString(s)) //nolint:gosec // Escaped.
}

// notes returns the constraints on a value.
func notes(m yaml.MapSlice) []string {
	var list []string
	for _, bounds := range []struct{ low, high, unit string }{
		{"minimum", "maximum", ""}, {"minLength", "maxLength", " characters"}, {"minItems", "maxItems", " items"},
	} {
		switch low, high := text(m, bounds.low), text(m, bounds.high); {
		case low != "" && high != "":
			list = append(list, low+"–"+high+bounds.unit)
		case low != "":
			list = append(list, "≥ "+low+bounds.unit)
		case high != "":
			list = append(list, "≤ "+high+bounds.unit)
		}
	}
	for _, key := range []string{"format", "pattern", "multipleOf"} {
		if value := text(m, key); value != "" {
			list = append(list, key+": "+value)
		}
	}
	if value := at(m, "default"); value != nil {
		list = append(list, "default: "+encode(value))
	}
	return list
}
