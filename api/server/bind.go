package server

import (
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// maxFaults bounds the list of faults; a body can hold thousands.
const maxFaults = 20

// binder puts a JSON object into a struct and gathers every fault on the way.
type binder struct {
	// lenient lets unknown and repeated fields pass and takes numbers and truth values that were written as text, as the
	// clients of the original send them.
	lenient bool
	faults  []job.FieldError
}

func (b *binder) add(pointer, code string, args ...string) {
	if len(b.faults) == maxFaults {
		return
	}
	e := job.FieldError{Pointer: pointer, Code: code}
	if len(args) == 2 {
		e.Args = map[string]string{args[0]: args[1]}
	}
	b.faults = append(b.faults, e)
}

// object puts an object's members into the fields of the struct that dest points to, by their JSON names.
func (b *binder) object(pointer string, n *node, dest any) {
	if n.kind != kindObject {
		b.add(pointer, "wrong_type", "want", string(kindObject))
		return
	}
	fields := fieldsOf(dest)
	seen := make(map[string]bool, len(fields))
	for _, m := range n.members {
		at := pointer + "/" + escape(m.name)
		field, known := fields[m.name]
		switch {
		case !known && b.lenient:
			continue
		case !known:
			b.add(at, "unknown_field")
			continue
		case seen[m.name] && !b.lenient:
			b.add(at, "duplicate_field")
			continue
		}
		seen[m.name] = true
		b.value(at, m.value, field)
	}
}

// fieldsOf returns the fields of the struct that dest points to by their JSON names.
func fieldsOf(dest any) map[string]reflect.Value {
	v := reflect.ValueOf(dest).Elem()
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// maxPointerName bounds how much of an unknown name is repeated.
const maxPointerName = 64

// escape writes a name as a part of a JSON Pointer.
func escape(name string) string {
	if runes := []rune(name); len(runes) > maxPointerName {
		name = string(runes[:maxPointerName]) + "…"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// value puts one value into a field. A null leaves the field as if it were not there.
func (b *binder) value(pointer string, n *node, field reflect.Value) {
	if whole, ok := field.Addr().Interface().(**node); ok {
		if *whole = n; n.kind == kindNull {
			*whole = nil
		}
		return
	}
	target := reflect.New(field.Type()).Elem()
	inner := target
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		inner = target.Elem()
	}
	kind, want := n.kind, wanted(inner.Kind())
	if b.lenient && kind == kindString && want != "string" {
		if strings.TrimSpace(n.text) == "" {
			kind = kindNull
		} else {
			n = &node{kind: kind, text: strings.TrimSpace(n.text)}
		}
	}
	if kind == kindNull {
		if b.lenient {
			field.SetZero()
		}
		return
	}
	if inner.Kind() == reflect.Slice {
		b.list(pointer, n, field)
		return
	}
	if !b.scalar(n, inner) {
		b.add(pointer, "wrong_type", "want", want)
		return
	}
	field.Set(target)
}

// list puts a list of texts into a field. An entry that is none stays empty there, so that the others keep their places.
func (b *binder) list(pointer string, n *node, field reflect.Value) {
	if n.kind != kindArray {
		b.add(pointer, "wrong_type", "want", string(kindArray))
		return
	}
	texts := make([]string, len(n.items))
	for i, item := range n.items {
		if item.kind != kindString {
			b.add(pointer+"/"+strconv.Itoa(i), "wrong_type", "want", string(kindString))
			continue
		}
		texts[i] = item.text
	}
	field.Set(reflect.ValueOf(texts))
}

// wanted names the JSON type of a Go kind, as the table wants has it.
func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array"
	default:
		return "integer"
	}
}

// scalar sets a text, a number or a truth value and reports whether the value is one.
func (b *binder) scalar(n *node, into reflect.Value) bool {
	written := b.lenient && n.kind == kindString
	switch wanted(into.Kind()) {
	case "string":
		into.SetString(n.text)
		return n.kind == kindString
	case "boolean":
		into.SetBool(n.text == "true")
		return n.kind == kindBool || (written && (n.text == "true" || n.text == "false"))
	case "number":
		f, ok := number(n.text)
		into.SetFloat(f)
		return ok && (n.kind == kindNumber || written)
	default:
		i, ok := integer(n.text, into.Type().Bits())
		into.SetInt(i)
		return ok && (n.kind == kindNumber || written)
	}
}

// integer reads a whole number, which may be written with a fraction of nothing or with an exponent. One that is too large for the type becomes the largest there is, so that the check of
// its range finds it and can name the bounds.
func integer(text string, bits int) (int64, bool) {
	i, err := strconv.ParseInt(text, 10, bits)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return i, true
	}
	f, ok := number(text)
	if !ok || f != math.Trunc(f) {
		return 0, false
	}
	// Formatted without a fraction it is read as any other, and if need be found too large.
	i, err = strconv.ParseInt(strconv.FormatFloat(f, 'f', 0, 64), 10, bits)
	if math.IsInf(f, 0) {
		return int64(math.Copysign(math.MaxInt64, f)) >> (64 - bits), true
	}
	return i, err == nil || errors.Is(err, strconv.ErrRange)
}

// number reads any number; one that is too large becomes infinite and is then out of range.
func number(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if math.IsNaN(f) {
		return 0, false
	}
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}
