package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// rawConfig is the configuration of a stream or consumer as NATS sends it. Settings that this version does not know are kept.
type rawConfig map[string]json.RawMessage

// encodeConfig returns a configuration of the client library in the form of the JetStream API.
func encodeConfig(cfg any) (rawConfig, error) {
	data, err := encodeSetting(cfg)
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	var raw rawConfig
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	return raw, nil
}

// differences are the settings that differ, sorted by the effect of changing them.
type differences struct {
	reversible, oneWay, recreate []string
}

// A rule decides on one setting: given the value of this version and the one in NATS, nil when absent, it returns the
// value to send, or nil to leave the setting alone.
type rule func(want, have json.RawMessage) (json.RawMessage, error)

// Settings of streams by the effect of changing them. Settings in none of these tables are set when a stream is created
// and never changed afterwards: a newer version or the operator may have had a reason for them.
//
// The previous version must be able to start after a start of this one, and versions before 0.1.0 force their configuration on these
// streams, so a start adds only settings that NATS allows to be undone.
var (
	streamRules = map[string]rule{
		"max_age":                   atLeast,
		"max_msgs_per_subject":      atLeast,
		"allow_direct":              ifUnset,
		"allow_rollup_hdrs":         ifUnset,
		"allow_atomic":              ifUnset,
		"republish":                 ifUnset,
		"subject_delete_marker_ttl": ifUnset,
		"subjects":                  unionSubjects,
		"discard":                   discardNew,
	}
	// streamOneWayRules are for settings that NATS changes and never changes back.
	streamOneWayRules = map[string]rule{
		"allow_msg_ttl":       ifUnset,
		"allow_msg_schedules": ifUnset,
	}
	// streamFixedRules are for settings that NATS does not change at all.
	streamFixedRules = map[string]rule{
		"retention":         exactly,
		"storage":           durable,
		"allow_msg_counter": exactly,
		"sealed":            exactly,
		"mirror":            exactly,
	}
	// consumerRules are the settings that can lose jobs: a job past max_deliver is never delivered again,
	// and delayed jobs count against max_ack_pending.
	consumerRules = map[string]rule{
		"ack_wait":        exactly,
		"max_deliver":     exactly,
		"max_ack_pending": exactly,
	}
)

// mergeStream returns the configuration to send for a stream: the one in NATS, with the settings this version needs. The
// fields in exact are always set to those of want. have is not changed.
func mergeStream(want, have rawConfig, exact []string) (rawConfig, differences, error) {
	var d differences
	merged, none := maps.Clone(have), rawConfig{}
	var err error
	if d.recreate, err = merge(none, want, have, streamFixedRules); err != nil {
		return nil, d, err
	}
	if d.oneWay, err = merge(merged, want, have, streamOneWayRules); err != nil {
		return nil, d, err
	}
	rules := maps.Clone(streamRules)
	for _, field := range exact {
		rules[field] = exactly
	}
	d.reversible, err = merge(merged, want, have, rules)
	return merged, d, err
}

// mergeConsumer returns the configuration to send for a consumer, like mergeStream.
func mergeConsumer(want, have rawConfig) (rawConfig, differences, error) {
	var d differences
	merged := maps.Clone(have)
	var err error
	if d.reversible, err = merge(merged, want, have, consumerRules); err != nil {
		return nil, d, err
	}
	filters, err := mergeFilters(merged, want, have)
	d.reversible = append(d.reversible, filters...)
	return merged, d, err
}

// merge applies rules to the settings of want and have, stores the results in merged and returns their sorted descriptions.
func merge(merged, want, have rawConfig, rules map[string]rule) ([]string, error) {
	var changes []string
	for field, decide := range rules {
		value, err := decide(want[field], have[field])
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", field, err)
		}
		if value == nil {
			continue
		}
		merged[field] = value
		changes = append(changes, describe(field, have[field], value))
	}
	slices.Sort(changes)
	return changes, nil
}

// mergeFilters adds the filter of this version to those of a consumer, unless they include it.
func mergeFilters(merged, want, have rawConfig) ([]string, error) {
	var wanted, single string
	var several []string
	for field, into := range map[string]any{"filter_subject": &single, "filter_subjects": &several} {
		if err := decodeSetting(have[field], into); err != nil {
			return nil, fmt.Errorf("setting %s: %w", field, err)
		}
	}
	if err := decodeSetting(want["filter_subject"], &wanted); err != nil {
		return nil, err
	}
	if single != "" {
		several = append(several, single)
	}
	// No filter at all matches everything.
	all := union(several, []string{wanted})
	if len(several) == 0 || slices.Equal(all, several) {
		return nil, nil
	}
	delete(merged, "filter_subject")
	delete(merged, "filter_subjects")
	field, value := "filter_subjects", any(all)
	if len(all) == 1 {
		field, value = "filter_subject", all[0]
	}
	encoded, err := encodeSetting(value)
	if err != nil {
		return nil, err
	}
	merged[field] = encoded
	return []string{fmt.Sprintf("%s: %s -> %s", field, strings.Join(several, " "), strings.Join(all, " "))}, nil
}

// describe returns the change of a setting for the operator.
func describe(field string, have, value json.RawMessage) string {
	return fmt.Sprintf("%s: %s -> %s", field, readable(field, have), readable(field, value))
}

// readable returns a value in the form that the operator uses: NATS sends durations as nanoseconds.
func readable(field string, value json.RawMessage) string {
	switch field {
	case "max_age", "subject_delete_marker_ttl", "ack_wait":
		var d time.Duration
		if value != nil && json.Unmarshal(value, &d) == nil {
			return d.String()
		}
	}
	if value == nil || string(value) == "null" {
		return "(unset)"
	}
	return string(value)
}

// encodeSetting is json.Marshal without HTML escapes, because operators read the result.
func encodeSetting(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// decodeSetting reads a value; an absent one is the zero value.
func decodeSetting(raw json.RawMessage, into any) error {
	if raw == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// isZero reports whether a value is absent or a zero value, which NATS omits.
func isZero(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "false", "0", `""`, "null", "[]", "{}":
		return true
	}
	return false
}

// exactly requires the value of this version.
func exactly(want, have json.RawMessage) (json.RawMessage, error) {
	if isZero(want) && isZero(have) || bytes.Equal(want, have) {
		return nil, nil
	}
	if want == nil {
		want = json.RawMessage("null")
	}
	return want, nil
}

// atLeast raises a limit and never lowers it. A value that is not positive means no limit, the highest.
func atLeast(want, have json.RawMessage) (json.RawMessage, error) {
	var w, h int64
	if err := decodeSetting(want, &w); err != nil {
		return nil, err
	}
	if err := decodeSetting(have, &h); err != nil {
		return nil, err
	}
	if h <= 0 || (w > 0 && w <= h) {
		return nil, nil
	}
	return want, nil
}

// ifUnset sets a value that is unset in NATS, and never changes or unsets one. A capability is turned on and never off.
func ifUnset(want, have json.RawMessage) (json.RawMessage, error) {
	if isZero(want) || !isZero(have) {
		return nil, nil
	}
	return want, nil
}

// discardNew makes a full stream refuse messages if this version requires that, and otherwise keeps the setting.
func discardNew(want, have json.RawMessage) (json.RawMessage, error) {
	if string(want) != `"new"` {
		return nil, nil
	}
	return exactly(want, have)
}

// durable rejects memory storage if this version requires a file. A file instead of memory is only slower.
func durable(want, have json.RawMessage) (json.RawMessage, error) {
	if string(want) != `"file"` {
		return nil, nil
	}
	return exactly(want, have)
}

// unionSubjects adds the subjects of this version to the existing ones.
func unionSubjects(want, have json.RawMessage) (json.RawMessage, error) {
	var w, h []string
	if err := decodeSetting(want, &w); err != nil {
		return nil, err
	}
	if err := decodeSetting(have, &h); err != nil {
		return nil, err
	}
	all := union(h, w)
	if slices.Equal(all, h) {
		return nil, nil
	}
	return encodeSetting(all)
}

// union returns the subjects of have and more, without those that another one includes: NATS allows no overlap.
func union(have, more []string) []string {
	all := slices.Clone(have)
	for _, subject := range more {
		if slices.ContainsFunc(all, func(s string) bool { return server.SubjectMatchesFilter(subject, s) }) {
			continue
		}
		all = slices.DeleteFunc(all, func(s string) bool { return server.SubjectMatchesFilter(s, subject) })
		all = append(all, subject)
	}
	return all
}
