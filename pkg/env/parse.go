package env

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// millisecondsSuffix is the suffix of variables with a duration in milliseconds.
const millisecondsSuffix = "_MS"

// parse parses text, the value of the variable name, into v, which must be addressable. Its error completes "expected …" and
// does not contain text, unless it comes from a type that parses itself.
func parse(v reflect.Value, name, text string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return parse(v.Elem(), name, text)
	}
	switch target := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if err := target.UnmarshalText([]byte(text)); err != nil {
			return errors.New(strings.TrimPrefix(err.Error(), "expected "))
		}
		return nil
	case *bool:
		return parseBool(target, text)
	case *time.Duration:
		if strings.HasSuffix(name, millisecondsSuffix) {
			return parseMilliseconds(target, text)
		}
		return parseDuration(target, text)
	}
	if v.Kind() != reflect.Slice {
		return parseScalar(v, text)
	}
	for _, part := range splitList(text) {
		entry := reflect.New(v.Type().Elem()).Elem()
		if err := parse(entry, name, part); err != nil {
			return fmt.Errorf("a list separated by commas, each entry %w", err)
		}
		v.Set(reflect.Append(v, entry))
	}
	return nil
}

// parseScalar parses a string or a number. An int has 32 bits on every platform.
func parseScalar(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		if v.Kind() == reflect.Int {
			bits = 32
		}
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return fmt.Errorf("a whole number of at most %d", int64(1)<<(bits-1)-1)
		}
		v.SetInt(n)
	case reflect.Uint:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return errors.New("a whole number that is not negative")
		}
		v.SetUint(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errors.New("a number")
		}
		v.SetFloat(f)
	default:
		return errors.New("a value of type " + v.Type().String() + ", which no variable can hold")
	}
	return nil
}

func parseBool(target *bool, text string) error {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		*target = true
	case "false", "off", "no", "0":
		*target = false
	default:
		return errors.New("on or off (or true, false, yes, no, 1, 0)")
	}
	return nil
}

func parseDuration(target *time.Duration, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return errors.New("a duration with its unit, such as 180s or 24h")
	}
	*target = d
	return nil
}

func parseMilliseconds(target *time.Duration, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(time.Millisecond) {
		return errors.New("a whole number of milliseconds, such as 1500")
	}
	*target = time.Duration(n) * time.Millisecond
	return nil
}
