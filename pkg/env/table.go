package env

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Setting describes one variable for the documentation.
type Setting struct {
	// Name is the variable.
	Name string
	// Default is used when the variable is absent; empty for a secret.
	Default string
	// Doc is the description in one line.
	Doc string
	// Secret reports that the value must not be shown.
	Secret bool
	// Required reports that the process does not start without a value.
	Required bool
	// Aliases are other names, which take precedence over Name in their order.
	Aliases []string
}

// Table returns the settings of the given structs, or pointers to structs, in the
// order of their declaration. A preset value counts as the default of a field without
// envDefault. It fails when an argument is not a struct, when a tag has no effect, or
// when two fields share a name or an alias.
func Table(structs ...any) ([]Setting, error) {
	var table []Setting
	owners := map[string]string{}
	for i, s := range structs {
		v := reflect.Indirect(reflect.ValueOf(s))
		if v.Kind() != reflect.Struct {
			return nil, fmt.Errorf("list settings: argument %d is not a struct", i)
		}
		fields, err := settingsOf(v)
		if err != nil {
			return nil, fmt.Errorf("list settings: %w", err)
		}
		for _, f := range fields {
			for _, variable := range f.variables() {
				if owner, taken := owners[variable]; taken {
					return nil, fmt.Errorf("list settings: %s belongs to two settings, in %s and in %s", variable, owner, v.Type())
				}
				owners[variable] = v.Type().String()
			}
			table = append(table, f.setting())
		}
	}
	return table, nil
}

// setting returns the description of one field.
func (f field) setting() Setting {
	s := Setting{Name: f.name, Default: f.fallback, Doc: f.doc, Secret: f.secret(), Required: f.required, Aliases: f.aliases}
	if s.Default == "" && !f.value.IsZero() {
		s.Default = f.written()
	}
	if s.Secret {
		s.Default = ""
	}
	return s
}

// written returns the current value in the form of a variable.
func (f field) written() string {
	switch value := f.value.Interface().(type) {
	case time.Duration:
		if strings.HasSuffix(f.name, millisecondsSuffix) {
			return strconv.FormatInt(value.Milliseconds(), 10)
		}
		return value.String()
	case []string:
		return strings.Join(value, ",")
	default:
		return fmt.Sprint(value)
	}
}
