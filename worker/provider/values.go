package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// names reads an array of names, or an object of names with the provider's own.
func (r *reader) names(place string, raw json.RawMessage, wildcard bool) Names {
	var n Names
	add := func(at, name, own string) {
		switch {
		case name == "*" && own == "*" && wildcard:
			n.Any = true
		case !validName(name) || !validName(own) || name == "*" || own == "*":
			r.fault(at, "must be a name of at most %d characters", maxName)
		default:
			if _, twice := n.Own(name); twice {
				r.fault(at, "is there twice")
			}
			n.list, n.own = append(n.list, name), append(n.own, own)
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && list != nil {
		for i, one := range list {
			at := fmt.Sprintf("%s[%d]", place, i)
			if name := r.text(at, one); name != "" {
				add(at, name, name)
			}
		}
	} else {
		fields := r.object(place, raw, place, nil)
		// The order of the file is that of the catalogue.
		for _, name := range inOrder(raw, fields) {
			at := member(place, quoted(name))
			if own := r.text(at, fields[name]); own != "" {
				add(at, name, own)
			}
		}
	}
	if (len(n.list) == 0 && !n.Any) || len(n.list) > maxNames {
		r.fault(place, "must be an array of names, or an object of names with the provider's own, with between 1 and %d names", maxNames)
	}
	return n
}

// inOrder returns the names of the members of an object in their order.
func inOrder(raw json.RawMessage, fields map[string]json.RawMessage) []string {
	var names []string
	decoder := json.NewDecoder(bytes.NewReader(raw))
	for depth := 0; ; {
		token, err := decoder.Token()
		if err != nil {
			return names
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if _, is := fields[token]; is && depth == 1 && !slices.Contains(names, token) {
				names = append(names, token)
			}
		}
	}
}

func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && utf8.RuneCountInString(name) <= maxName && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
}

// price reads a price.
func (r *reader) price(place string, raw json.RawMessage) *job.Price {
	fields := r.object(place, raw, place, []string{"currency", "per_image", "per_token", "per_thousand_characters"})
	if fields == nil {
		return nil
	}
	text := func(name string) string {
		value, ok := fields[name]
		if !ok {
			return ""
		}
		return r.text(member(place, name), value)
	}
	p := &job.Price{
		Currency: text("currency"), PerImage: text("per_image"), PerToken: text("per_token"), PerThousandCharacters: text("per_thousand_characters"),
	}
	if p.Currency == "" || utf8.RuneCountInString(p.Currency) > 20 {
		r.fault(member(place, "currency"), "must be the currency, such as USD")
	}
	for name, value := range map[string]string{"per_image": p.PerImage, "per_token": p.PerToken, "per_thousand_characters": p.PerThousandCharacters} {
		if value != "" && (!pricePattern.MatchString(value) || job.Cost(value, big.NewRat(1, 1)) == "") {
			r.fault(member(place, name), `must be a decimal number in quotation marks, such as "0.002"`)
		}
	}
	if cmp.Or(p.PerImage, p.PerToken, p.PerThousandCharacters) == "" {
		r.fault(place, "must have per_image, per_token or per_thousand_characters")
	}
	return p
}

var pricePattern = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,12})?$`)

// object reads an object and, if names is not nil, reports other members. It returns nil if raw is not an object.
func (r *reader) object(place string, raw json.RawMessage, called string, names []string) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		r.fault(called, "must be an object")
		return nil
	}
	for _, name := range sortedKeys(fields) {
		if names != nil && !slices.Contains(names, name) {
			r.fault(member(place, quoted(name)), "is unknown; there is %s", strings.Join(names, ", "))
		}
	}
	return fields
}

// text reads a string, which must not be empty.
func (r *reader) text(place string, raw json.RawMessage) string {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || strings.TrimSpace(s) == "" {
		r.fault(place, "must be a string that is not empty")
		return ""
	}
	return strings.TrimSpace(s)
}

// texts reads an array of strings.
func (r *reader) texts(place string, raw json.RawMessage) []string {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 || len(list) > maxNames {
		r.fault(place, "must be an array of between 1 and %d strings", maxNames)
		return nil
	}
	var texts []string
	for i, one := range list {
		texts = append(texts, r.text(fmt.Sprintf("%s[%d]", place, i), one))
	}
	return texts
}

func (r *reader) flag(place string, raw json.RawMessage) bool {
	var on *bool
	if err := json.Unmarshal(raw, &on); err != nil || on == nil {
		r.fault(place, "must be true or false")
		return false
	}
	return *on
}

// parseSize parses WIDTHxHEIGHT.
func parseSize(size string) (width, height int, ok bool) {
	const longest = 1 << 14
	first, second, _ := strings.Cut(strings.ToLower(size), "x")
	width, err := strconv.Atoi(first)
	height, err2 := strconv.Atoi(second)
	return width, height, err == nil && err2 == nil && width > 0 && height > 0 && width <= longest && height <= longest
}

// quoted returns a name of the file for an error: as it is if it is a plain word, else quoted and cut, since a key may have
// been written in the wrong place.
func quoted(name string) string {
	const longest = 30
	if len(name) <= longest && plainPattern.MatchString(name) {
		return name
	}
	return strconv.Quote(strings.ToValidUTF8(name[:min(len(name), longest)], ""))
}

var plainPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
