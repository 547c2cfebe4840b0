package env

import (
	"fmt"
	"reflect"
	"strings"
)

// field is one setting: a settable struct field and its tags.
type field struct {
	value    reflect.Value
	name     string
	aliases  []string
	fallback string
	doc      string
	required bool
}

// settingsOf returns the settings of a struct in the order of their declaration,
// including those of nested structs. It fails when a tag would have no effect.
func settingsOf(v reflect.Value) ([]field, error) {
	var fields []field
	for i := range v.NumField() {
		sf, value := v.Type().Field(i), v.Field(i)
		tag, tagged := sf.Tag.Lookup("env")
		if tag == "-" {
			continue
		}
		if !tagged {
			if value.Kind() != reflect.Struct || (!sf.IsExported() && !sf.Anonymous) {
				continue
			}
			inner, err := settingsOf(value)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		if !sf.IsExported() {
			return nil, fmt.Errorf("setting %s.%s is not exported", v.Type(), sf.Name)
		}
		f, err := newField(value, sf, tag)
		if err != nil {
			return nil, fmt.Errorf("setting %s.%s: %w", v.Type(), sf.Name, err)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// newField reads the tags of one setting.
func newField(value reflect.Value, sf reflect.StructField, tag string) (field, error) {
	parts := strings.Split(tag, ",")
	f := field{
		value:    value,
		name:     parts[0],
		aliases:  splitList(sf.Tag.Get("alias")),
		fallback: sf.Tag.Get("envDefault"),
		doc:      sf.Tag.Get("doc"),
	}
	if f.name == "" {
		return field{}, fmt.Errorf("the env tag has no name")
	}
	for _, option := range parts[1:] {
		switch option {
		case "required", "notEmpty":
			f.required = true
		default:
			return field{}, fmt.Errorf("unknown option %q", option)
		}
	}
	return f, nil
}

// variables returns all variables that can set the setting.
func (f field) variables() []string {
	var names []string
	for _, name := range append([]string{f.name}, f.aliases...) {
		names = append(names, name, name+fileSuffix)
	}
	return names
}

// secret reports whether the value must not be shown.
func (f field) secret() bool { return f.value.Type() == reflect.TypeFor[Secret]() }

// normal trims spaces around a value, unless it is a secret, which may contain spaces.
func (f field) normal(value string) string {
	if f.secret() {
		return value
	}
	if f.value.Kind() == reflect.Slice {
		return strings.Join(splitList(value), ",")
	}
	return strings.TrimSpace(value)
}

// splitList splits a value at commas, trims spaces and drops empty parts.
func splitList(value string) []string {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
