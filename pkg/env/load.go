package env

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// Load fills the structs that into points to from environ, which has the form
// of os.Environ.
//
// A field is a setting if it has the tag `env:"NAME"`, with the options required
// or notEmpty. Further tags: `envDefault` is the value of a variable that is absent
// or empty; `alias` lists other names, which take precedence over NAME in their
// order; `doc` is the description, for Table. A field without envDefault keeps its
// value if its variable is absent, so a caller can preset one. Nested structs are
// searched for settings too, unless they have the tag `env:"-"`.
//
// NAME_FILE is the path of a file with the value; trailing line breaks are removed.
// Booleans are true, false, on, off, yes, no, 1 or 0; durations are written like
// 180s, or as whole milliseconds if NAME ends in _MS; lists are separated by commas.
// Types with UnmarshalText parse themselves; their error should not contain the
// value. A Referrer also reads variables that its value names.
//
// Load returns all faults of all structs, joined: each is a *Fault or an error of a
// Validator. Errors of a Validator about a setting that could not be parsed are
// omitted. Valid settings are set even if there are faults.
func Load(environ []string, into ...any) error {
	vars := map[string]string{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			vars[name] = value
		}
	}
	var faults []error
	for i, target := range into {
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return fmt.Errorf("load settings: argument %d is not a pointer to a struct", i)
		}
		fields, err := settingsOf(v.Elem())
		if err != nil {
			return fmt.Errorf("load settings: %w", err)
		}
		unread := map[string]bool{}
		for _, f := range fields {
			if err := f.load(vars); err != nil {
				faults = append(faults, err)
				for _, name := range f.variables() {
					unread[name] = true
				}
			}
		}
		if check, ok := target.(Validator); ok {
			faults = append(faults, withoutUnread(unread, check.Validate())...)
		}
	}
	return errors.Join(faults...)
}

// withoutUnread returns the faults that err joins, without those of settings that could not be read, which would be reported
// twice.
func withoutUnread(unread map[string]bool, err error) []error {
	if err == nil {
		return nil
	}
	// Only the result of errors.Join is split; another error that wraps several has its own text.
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts := joined.Unwrap()
		if whole := errors.Join(parts...); whole != nil && whole.Error() == err.Error() {
			var faults []error
			for _, e := range parts {
				faults = append(faults, withoutUnread(unread, e)...)
			}
			return faults
		}
	}
	if unread[subject(err)] {
		return nil
	}
	return []error{err}
}

// subject returns the variable of a fault, whose text may mention others too.
func subject(err error) string {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault.Name
	}
	// Any other error begins with the variable.
	text := err.Error()
	if end := strings.IndexFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }); end >= 0 {
		text = text[:end]
	}
	return text
}

// load sets one field from vars.
func (f field) load(vars map[string]string) error {
	name, value, err := f.lookup(vars)
	if err != nil {
		return err
	}
	if value == "" && f.required {
		return &Fault{Name: f.name, Expected: "a value, it is required"}
	}
	if value == "" && f.fallback == "" {
		return nil
	}

	if value == "" {
		value = f.fallback
	}
	parsed := reflect.New(f.value.Type()).Elem()
	if referrer, ok := parsed.Addr().Interface().(Referrer); ok {
		if err := referrer.Read(value, lookupIn(vars)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f.value.Set(parsed)
		return nil
	}
	if err := parse(parsed, f.name, f.normal(value)); err != nil {
		return &Fault{Name: name, Expected: err.Error()}
	}
	f.value.Set(parsed)
	return nil
}
