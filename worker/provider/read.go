package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

const (
	// maxProviders bounds each list, since every provider has its own series in the metrics.
	maxProviders = 16
	maxNames     = 500
	// maxName bounds the name of a model or voice in characters.
	maxName = 100
	// maxKey bounds a file with a key in bytes.
	maxKey = 64 << 10
)

// reader reads the file and collects its faults.
type reader struct {
	lookup func(name string) (string, error)
	faults []error
}

func (r *reader) fault(place, format string, args ...any) {
	r.add(fmt.Errorf("%s "+format, append([]any{place}, args...)...))
}

func (r *reader) add(err error) { r.faults = append(r.faults, fmt.Errorf("UPSTREAMS: %w", err)) }

// member returns the place of a member of an object.
func member(place, name string) string {
	if place == "" {
		return name
	}
	return place + "." + name
}

// list describes one of the lists of the file: its types of providers, each with its members.
type list struct {
	name  string
	types map[string][]string
	into  func(*File) *[]Spec
}

func lists() []list {
	common := []string{"name", "type", "base_url", "api_key_env", "api_key_file", "timeout"}
	with := func(names ...string) []string { return slices.Concat(common, names) }
	return []list{
		{"images", map[string][]string{
			TypePollinations: with("style", "models"), TypeOpenAI: with("models", "sizes", "seed", "price"),
		}, func(f *File) *[]Spec { return &f.Images }},
		{"speech", map[string][]string{
			TypePollinations: with("style", "models"), TypeOpenAI: with("models", "voices", "formats", "speed", "price"),
		}, func(f *File) *[]Spec { return &f.Speech }},
		{"chat", map[string][]string{
			TypeDeepSeek: with("model"), TypeOpenAI: with("model"),
		}, func(f *File) *[]Spec { return &f.Chat }},
	}
}

func (r *reader) file(data []byte, f *File) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		r.add(notJSON(data, err))
		return
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		r.add(errors.New("the file has something after the JSON object"))
		return
	}
	var names []string
	for _, l := range lists() {
		names = append(names, l.name)
	}
	fields := r.object("", raw, "the file", names)
	if fields != nil && len(fields) == 0 {
		r.add(fmt.Errorf("the file has none of %s", strings.Join(names, ", ")))
	}
	for _, l := range lists() {
		if raw, ok := fields[l.name]; ok {
			*l.into(f) = r.providers(l, raw)
		}
	}
}

// notJSON returns the error of a file that is not JSON, with the line. The error of package json quotes single characters.
func notJSON(data []byte, err error) error {
	if syntax, is := errors.AsType[*json.SyntaxError](err); is {
		line := 1 + bytes.Count(data[:min(int64(len(data)), syntax.Offset)], []byte("\n"))
		return fmt.Errorf("the file is not JSON, line %d: %w", line, err)
	}
	return fmt.Errorf("the file is not JSON: %w", err)
}

func (r *reader) providers(l list, raw json.RawMessage) []Spec {
	var entries []json.RawMessage
	switch err := json.Unmarshal(raw, &entries); {
	case err != nil, entries == nil:
		r.fault(l.name, "must be an array of providers")
		return nil
	case len(entries) == 0, len(entries) > maxProviders:
		r.fault(l.name, "must have between 1 and %d providers; leave it out to use the other settings", maxProviders)
		return nil
	}
	specs := make([]Spec, 0, len(entries))
	for i, entry := range entries {
		s := r.provider(fmt.Sprintf("%s[%d]", l.name, i), entry, l)
		if first := slices.IndexFunc(specs, func(other Spec) bool { return other.Name == s.Name }); s.Name != "" && first >= 0 {
			r.fault(member(s.place, "name"), "is also that of %s", specs[first].place)
		}
		specs = append(specs, s)
	}
	return specs
}

func (r *reader) provider(place string, raw json.RawMessage, l list) Spec {
	s := Spec{place: place}
	all := map[string]bool{}
	for _, names := range l.types {
		for _, name := range names {
			all[name] = true
		}
	}
	fields := r.object(place, raw, place, nil)
	if fields == nil {
		return s
	}
	text := func(name string, required bool) string {
		value, ok := fields[name]
		if !ok && required {
			r.fault(member(place, name), "is missing")
		}
		if !ok {
			return ""
		}
		return r.text(member(place, name), value)
	}
	if s.Name = text("name", true); s.Name != "" && !job.ValidProvider(s.Name) {
		r.fault(member(place, "name"), "must be up to 40 lower-case letters, digits and hyphens")
		s.Name = ""
	}
	s.Type = text("type", true)
	allowed, known := l.types[s.Type]
	if !known && s.Type != "" {
		r.fault(member(place, "type"), "must be %s", strings.Join(sortedKeys(l.types), " or "))
	}
	for _, name := range sortedKeys(fields) {
		switch {
		case !all[name]:
			r.fault(member(place, quoted(name)), "is unknown")
		case known && !slices.Contains(allowed, name):
			r.fault(member(place, name), "does not apply to the type %s", s.Type)
		}
	}
	if s.BaseURL = text("base_url", true); s.BaseURL != "" {
		if _, err := upstream.ParseBase(member(place, "base_url"), s.BaseURL); err != nil {
			r.add(err)
		}
	}
	s.Key = r.key(place, fields)
	if value := text("timeout", false); value != "" {
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			r.fault(member(place, "timeout"), "must be a duration above zero, such as 90s")
		}
		s.Timeout = d
	}
	if s.Style = text("style", false); s.Style != "" && s.Style != pollinations.StyleGen && s.Style != pollinations.StyleLegacy {
		r.fault(member(place, "style"), "must be gen or legacy")
	}
	s.Model = text("model", l.name == "chat" && s.Type == TypeOpenAI)
	r.abilities(&s, fields, l.name != "chat")
	return s
}

// abilities reads what a provider of media can do.
func (r *reader) abilities(s *Spec, fields map[string]json.RawMessage, media bool) {
	at := func(name string) (string, json.RawMessage, bool) {
		raw, ok := fields[name]
		return member(s.place, name), raw, ok
	}
	if place, raw, ok := at("models"); ok {
		s.Models = r.names(place, raw, s.Type == TypePollinations)
	} else if media && s.Type == TypeOpenAI {
		r.fault(place, "is missing: name the models that it serves")
	} else {
		s.Models.Any = true
	}
	if place, raw, ok := at("voices"); ok {
		s.Voices = r.names(place, raw, false)
	}
	if place, raw, ok := at("sizes"); ok {
		for i, size := range r.texts(place, raw) {
			width, height, valid := parseSize(size)
			if !valid {
				r.fault(fmt.Sprintf("%s[%d]", place, i), "must be a size such as 1024x1024")
			}
			s.Sizes = append(s.Sizes, Size{width, height})
		}
	}
	if place, raw, ok := at("formats"); ok {
		known := []string{"mp3", "opus", "aac", "flac", "wav", "pcm"}
		if s.Formats = r.texts(place, raw); slices.ContainsFunc(s.Formats, func(f string) bool { return !slices.Contains(known, f) }) {
			r.fault(place, "must be a list of %s", strings.Join(known, ", "))
		}
	}
	if place, raw, ok := at("seed"); ok {
		s.NoSeed = !r.flag(place, raw)
	}
	if place, raw, ok := at("speed"); ok {
		s.Speed = r.flag(place, raw)
	}
	if place, raw, ok := at("price"); ok {
		s.Price = r.price(place, raw)
	}
}

// key returns the key of a provider, which is never in the file itself.
func (r *reader) key(place string, fields map[string]json.RawMessage) env.Secret {
	variable, named := fields["api_key_env"]
	path, inFile := fields["api_key_file"]
	switch {
	case named && inFile:
		r.fault(member(place, "api_key_file"), "must not be set together with api_key_env")
	case named:
		at := member(place, "api_key_env")
		name := r.text(at, variable)
		if name == "" {
			return ""
		}
		if !variablePattern.MatchString(name) {
			r.fault(at, "must be the name of an environment variable, not a key")
			return ""
		}
		value, err := r.lookup(name)
		if err != nil {
			r.fault(at, "cannot be read: %w", err)
		} else if strings.TrimSpace(value) == "" {
			r.fault(at, "names the variable %s, which is not set", name)
		}
		return env.Secret(strings.TrimSpace(value))
	case inFile:
		at := member(place, "api_key_file")
		name := r.text(at, path)
		if name == "" {
			return ""
		}
		data, err := readFile(name)
		if err == nil && len(data) > maxKey {
			err = errors.New("the file is too large for a key")
		}
		value := strings.TrimSpace(string(data))
		if err != nil {
			r.fault(at, "cannot be used: %w", err)
		} else if value == "" || strings.ContainsFunc(value, unicode.IsControl) {
			r.fault(at, "must be the path of a file with one key")
			return ""
		}
		return env.Secret(value)
	}
	return ""
}

var variablePattern = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
