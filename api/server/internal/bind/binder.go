package bind

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// MaxFaults bounds how many errors of fields are reported; a body can have thousands.
const MaxFaults = 20

// Binder copies a JSON object into a struct and collects the errors of all fields.
type Binder struct {
	// lenient ignores unknown and repeated fields and accepts numbers and booleans as strings, which clients of the original
	// send.
	lenient bool
	// Faults are the errors of fields so far.
	Faults []job.FieldError
}

// Add adds an error of a field; args are the names and values of the arguments of its sentence.
func (b *Binder) Add(pointer, code string, args ...string) {
	if len(b.Faults) == MaxFaults {
		return
	}
	e := job.FieldError{Pointer: pointer, Code: code}
	for pair := range slices.Chunk(args, 2) {
		if e.Args == nil {
			e.Args = map[string]string{}
		}
		e.Args[pair[0]] = pair[1]
	}
	b.Faults = append(b.Faults, e)
}

// Object copies the members of an object into the fields of the struct that dest points to, by their JSON names.
func (b *Binder) Object(pointer string, n *Node, dest any) {
	if n.Kind != Object {
		b.Add(pointer, "wrong_type", "want", string(Object))
		return
	}
	v := reflect.ValueOf(dest).Elem()
	fields := fieldsOf(v.Type())
	var seen uint64 // The bits of fields, of which no body has 64.
	for _, m := range n.Members {
		i, known := fields[m.Name]
		switch {
		case !known && b.lenient:
			continue
		case !known:
			b.Add(pointer+"/"+Escape(m.Name), "unknown_field")
			continue
		case seen&(1<<i) != 0 && !b.lenient:
			b.Add(pointer+"/"+Escape(m.Name), "duplicate_field")
			continue
		}
		seen |= 1 << i
		b.value(pointer+"/"+m.Name, m.Value, v.Field(i))
	}
}

// fieldIndexes has, for each type of a body, the indexes of its fields by their JSON names. It is a cache.
var fieldIndexes sync.Map

// fieldsOf returns the indexes of the fields of a struct by their JSON names, none of which needs Escape.
func fieldsOf(t reflect.Type) map[string]int {
	if cached, ok := fieldIndexes.Load(t); ok {
		fields, _ := cached.(map[string]int)
		return fields
	}
	fields := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = i
		}
	}
	fieldIndexes.Store(t, fields)
	return fields
}

// maxPointerName bounds the length of an unknown name in a response, in characters.
const maxPointerName = 64

// Escape returns a name as a segment of a JSON Pointer.
func Escape(name string) string {
	if utf8.RuneCountInString(name) > maxPointerName {
		name = string([]rune(name)[:maxPointerName]) + "…"
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// value copies one value into a field. A null counts as missing.
func (b *Binder) value(pointer string, n *Node, field reflect.Value) {
	if node, ok := field.Addr().Interface().(**Node); ok {
		if *node = n; n.Kind == Null {
			*node = nil
		}
		return
	}
	target, inner := field, field
	if field.Kind() == reflect.Pointer {
		target = reflect.New(field.Type().Elem())
		inner = target.Elem()
	}
	kind, want := n.Kind, jsonType(inner.Kind())
	if b.lenient && kind == String && want != "string" {
		if strings.TrimSpace(n.Text) == "" {
			kind = Null
		} else {
			n = &Node{Kind: kind, Text: strings.TrimSpace(n.Text)}
		}
	}
	if kind == Null {
		if b.lenient {
			field.SetZero()
		}
		return
	}
	switch inner.Kind() {
	case reflect.Slice:
		b.list(pointer, n, field)
		return
	case reflect.Map:
		b.texts(pointer, n, field)
		return
	default:
	}
	if !b.scalar(n, inner) {
		b.Add(pointer, "wrong_type", "want", want)
		return
	}
	if target != field {
		field.Set(target)
	}
}

// list copies an array of strings into a field. An item of another type becomes "", so that the others keep their indexes.
func (b *Binder) list(pointer string, n *Node, field reflect.Value) {
	if n.Kind != Array {
		b.Add(pointer, "wrong_type", "want", string(Array))
		return
	}
	texts := make([]string, len(n.items))
	for i, item := range n.items {
		if item.Kind != String {
			b.Add(pointer+"/"+strconv.Itoa(i), "wrong_type", "want", string(String))
			continue
		}
		texts[i] = item.Text
	}
	field.Set(reflect.ValueOf(texts))
}

// texts copies an object of strings into a map.
func (b *Binder) texts(pointer string, n *Node, field reflect.Value) {
	if n.Kind != Object {
		b.Add(pointer, "wrong_type", "want", string(Object))
		return
	}
	texts := make(map[string]string, len(n.Members))
	for _, m := range n.Members {
		member := pointer + "/" + Escape(m.Name)
		if _, double := texts[m.Name]; double {
			b.Add(member, "duplicate_field")
		}
		if m.Value.Kind != String {
			b.Add(member, "wrong_type", "want", string(String))
		}
		texts[m.Name] = m.Value.Text
	}
	field.Set(reflect.ValueOf(texts))
}

// jsonType returns the name of the JSON type of a Go kind, as in the table of package problem.
func jsonType(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	case reflect.Map:
		return "object"
	default:
		return "integer"
	}
}

// scalar sets a string, a number or a boolean and reports whether n has that type. Otherwise it changes nothing.
func (b *Binder) scalar(n *Node, into reflect.Value) bool {
	quoted := b.lenient && n.Kind == String
	switch jsonType(into.Kind()) {
	case "string":
		if n.Kind != String {
			return false
		}
		into.SetString(n.Text)
	case "boolean":
		if n.Kind != Bool && (!quoted || (n.Text != "true" && n.Text != "false")) {
			return false
		}
		into.SetBool(n.Text == "true")
	case "number":
		f, ok := number(n.Text)
		if !ok || (n.Kind != Number && !quoted) {
			return false
		}
		into.SetFloat(f)
	default:
		i, ok := integer(n.Text, into.Type().Bits())
		if !ok || (n.Kind != Number && !quoted) {
			return false
		}
		into.SetInt(i)
	}
	return true
}

// integer parses an integer, which may have a zero fraction or an exponent. One that overflows becomes the largest value of
// the type, so that the range check reports it.
func integer(text string, bits int) (int64, bool) {
	i, err := strconv.ParseInt(text, 10, bits)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return i, true
	}
	f, ok := number(text)
	if !ok || f != math.Trunc(f) {
		return 0, false
	}
	// Parse again without the fraction and exponent, which clamps the value to the type.
	i, err = strconv.ParseInt(strconv.FormatFloat(f, 'f', 0, 64), 10, bits)
	if math.IsInf(f, 0) {
		return int64(math.Copysign(math.MaxInt64, f)) >> (64 - bits), true
	}
	return i, err == nil || errors.Is(err, strconv.ErrRange)
}

// number parses a number. One that overflows becomes infinite, so that the range check reports it.
func number(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if math.IsNaN(f) {
		return 0, false
	}
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

// AddMissing adds errors, except for fields that already have one.
func (b *Binder) AddMissing(faults ...job.FieldError) {
	for _, f := range faults {
		if len(b.Faults) < MaxFaults && !Has(b.Faults, f.Pointer) {
			b.Faults = append(b.Faults, f)
		}
	}
}

// Err returns a problem with all errors of fields, or nil if there are none.
func (b *Binder) Err() error {
	if len(b.Faults) == 0 {
		return nil
	}
	return problem.Invalid(b.Faults...)
}

// Has reports whether a field has an error.
func Has(faults []job.FieldError, pointer string) bool {
	return slices.ContainsFunc(faults, func(f job.FieldError) bool { return f.Pointer == pointer })
}
