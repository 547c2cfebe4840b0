package env

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// millisecondsSuffix marks a duration that is written as a plain number.
const millisecondsSuffix = "_MS"

// parsers holds the types that are read otherwise than the library would.
func parsers(name string) map[reflect.Type]env.ParserFunc {
	duration := parseDuration
	if strings.HasSuffix(name, millisecondsSuffix) {
		duration = parseMilliseconds
	}
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():          parseBool,
		reflect.TypeFor[time.Duration](): duration,
	}
}

// errUnreadable stands for any value that does not parse; expectation words it.
var errUnreadable = errors.New("unreadable")

func parseBool(value string) (any, error) {
	switch strings.ToLower(value) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return nil, errUnreadable
}

func parseDuration(value string) (any, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return nil, errUnreadable
	}
	return d, nil
}

func parseMilliseconds(value string) (any, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(time.Millisecond) {
		return nil, errUnreadable
	}
	return time.Duration(n) * time.Millisecond, nil
}

// expectation says what a setting of this type accepts. The error of a type that
// parses itself is taken as it stands; that of any other would repeat the value.
func expectation(t reflect.Type, name string, err error) string {
	switch t {
	case reflect.TypeFor[bool]():
		return "on or off (or true, false, yes, no, 1, 0)"
	case reflect.TypeFor[time.Duration]():
		if strings.HasSuffix(name, millisecondsSuffix) {
			return "a whole number of milliseconds, such as 1500"
		}
		return "a duration with its unit, such as 180s or 24h"
	}
	var parse env.ParseError
	if (field{value: reflect.Zero(t)}).parsesItself() && errors.As(err, &parse) {
		return strings.TrimPrefix(parse.Err.Error(), "expected ")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return expectation(t.Elem(), name, err)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := uint(t.Bits())
		if t.Kind() == reflect.Int {
			bits = 32 // The library reads an int as 32 bits on every machine.
		}
		return fmt.Sprintf("a whole number of at most %d", int64(1)<<(bits-1)-1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list separated by commas, each entry " + expectation(t.Elem(), name, err)
	default:
		return "a value of type " + t.String()
	}
}
