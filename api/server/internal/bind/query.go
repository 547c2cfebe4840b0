package bind

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Number returns an integer parameter of the query, or the fallback if there is none. It adds an error if the value is out of
// bounds.
func (b *Binder) Number(c *gin.Context, name string, fallback, low, high int) int {
	text, given := c.GetQuery(name)
	if !given {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		b.Faults = append(b.Faults, OutOfRange("?"+name, low, high))
	}
	return n
}

// Time parses a time in the format of RFC 3339. It returns the zero time if text is empty.
func (b *Binder) Time(pointer, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		b.Add(pointer, "invalid_time")
	}
	return t
}

// List is Choices for a query parameter that may be repeated.
func List[T ~string](b *Binder, c *gin.Context, name string, known []T) []T {
	return Choices(b, "?"+name, strings.Join(c.QueryArray(name), ","), known)
}

// Choices parses a comma-separated list of known values.
func Choices[T ~string](b *Binder, pointer, text string, known []T) []T {
	var list []T
	for value := range strings.SplitSeq(text, ",") {
		value = strings.TrimSpace(value)
		switch {
		case value == "" || slices.Contains(list, T(value)):
		case slices.Contains(known, T(value)):
			list = append(list, T(value))
		default:
			b.Add(pointer, "unknown_value", "known", Join(known))
			return nil
		}
	}
	return list
}

// Join returns a comma-separated list of values.
func Join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}

// OutOfRange returns the error of a number outside its bounds.
func OutOfRange[T ~int | ~int64](pointer string, low, high T) job.FieldError {
	return job.FieldError{Pointer: pointer, Code: "out_of_range", Args: map[string]string{
		"min": strconv.FormatInt(int64(low), 10), "max": strconv.FormatInt(int64(high), 10),
	}}
}

// TooLong returns the error of a string with more than limit characters.
func TooLong(pointer string, limit int) job.FieldError {
	return job.FieldError{Pointer: pointer, Code: "too_long", Args: map[string]string{"max": strconv.Itoa(limit)}}
}

// Required returns the error of a missing field.
func Required(pointer string) job.FieldError {
	return job.FieldError{Pointer: pointer, Code: "required"}
}
