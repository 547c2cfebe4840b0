package broker_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestMergeStream(t *testing.T) {
	t.Parallel()
	want := jetstream.StreamConfig{
		Name: "S", Description: "ours", Subjects: []string{"a.*"}, Storage: jetstream.FileStorage, MaxMsgs: 5, MaxAge: time.Hour,
		MaxMsgsPerSubject: 2, Replicas: 1, Discard: jetstream.DiscardNew, AllowDirect: true, AllowAtomicPublish: true, AllowRollup: true,
		AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Minute,
		RePublish: &jetstream.RePublish{Source: "a.*", Destination: "b.{{wildcard(1)}}"},
	}
	// same is the configuration in NATS of a stream that needs no change.
	same := `"name":"S","description":"ours","subjects":["a.*"],"retention":"limits","storage":"file","max_msgs":5,` +
		`"max_age":3600000000000,"max_msgs_per_subject":2,"num_replicas":1,"discard":"new","allow_direct":true,"allow_atomic":true,` +
		`"allow_rollup_hdrs":true,"allow_msg_ttl":true,"subject_delete_marker_ttl":60000000000,"sealed":false,` +
		`"republish":{"src":"a.*","dest":"b.{{wildcard(1)}}"}`
	for _, c := range []struct {
		// have replaces settings of same.
		name, have string
		exact      []string
		// changes are the descriptions of the changes, and sent the changed settings.
		changes, sent []string
	}{
		{name: "the same"},
		{name: "unknown settings", have: `"next_year":{"a":[1,2.50]},"metadata":{"team":"x"},"compression":"s2","max_bytes":1000`},
		{name: "another description", have: `"description":"theirs"`},
		{name: "a limit of the operator's", have: `"max_msgs":9`, exact: []string{"max_msgs"}, changes: []string{"max_msgs: 9 -> 5"}, sent: []string{`"max_msgs":5`}},
		{name: "a limit that is not governed", have: `"max_msgs":9`},
		{name: "more replicas", have: `"num_replicas":3`, exact: []string{"num_replicas"}, changes: []string{"num_replicas: 3 -> 1"}, sent: []string{`"num_replicas":1`}},
		{name: "kept for longer", have: `"max_age":7200000000000`},
		{name: "kept for ever", have: `"max_age":0`},
		{name: "kept longer than configured", have: `"max_age":7200000000000`, exact: []string{"max_age"}, changes: []string{"max_age: 2h0m0s -> 1h0m0s"}, sent: []string{`"max_age":3600000000000`}},
		{name: "kept for less", have: `"max_age":1000000000`, changes: []string{"max_age: 1s -> 1h0m0s"}, sent: []string{`"max_age":3600000000000`}},
		{name: "more of each", have: `"max_msgs_per_subject":-1`},
		{name: "capabilities missing", have: `"allow_direct":false,"allow_atomic":null,"allow_rollup_hdrs":false`, changes: []string{"allow_atomic: (unset) -> true", "allow_direct: false -> true", "allow_rollup_hdrs: false -> true"}, sent: []string{`"allow_atomic":true`, `"allow_direct":true`, `"allow_rollup_hdrs":true`}},
		{name: "capabilities that are new", have: `"allow_msg_schedules":true,"allow_batched":true,"deny_delete":true,"mirror_direct":true`},
		{name: "foreign subjects", have: `"subjects":["c.>"]`, changes: []string{`subjects: ["c.>"] -> ["c.>","a.*"]`}, sent: []string{`"subjects":["c.>","a.*"]`}},
		{name: "wider subjects", have: `"subjects":["c","a.>"]`},
		{name: "narrower subjects", have: `"subjects":["a.x","c"]`, changes: []string{`subjects: ["a.x","c"] -> ["c","a.*"]`}, sent: []string{`"subjects":["c","a.*"]`}},
		{name: "republished elsewhere", have: `"republish":{"src":"a.>","dest":"z.>"}`},
		{name: "not republished", have: `"republish":null`, changes: []string{`republish: (unset) -> {"src":"a.*","dest":"b.{{wildcard(1)}}"}`}, sent: []string{`"republish":{"src":"a.*","dest":"b.{{wildcard(1)}}"}`}},
		{name: "another marker", have: `"subject_delete_marker_ttl":5000000000`},
		{name: "full streams lose messages", have: `"discard":"old"`, changes: []string{`discard: "old" -> "new"`}, sent: []string{`"discard":"new"`}},
		{name: "no TTLs", have: `"allow_msg_ttl":false`, changes: []string{"allow_msg_ttl: false -> true"}, sent: []string{`"allow_msg_ttl":true`}},
		{name: "in memory", have: `"storage":"memory"`, changes: []string{`storage: "memory" -> "file"`}},
		{name: "a counter", have: `"allow_msg_counter":true`, changes: []string{`allow_msg_counter: true -> (unset)`}},
		{name: "sealed", have: `"sealed":true`, changes: []string{`sealed: true -> (unset)`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			have := raw(t, "{"+same+"}")
			for field, value := range raw(t, "{"+c.have+"}") {
				have[field] = value
			}
			expected := raw(t, "{"+strings.Join(c.sent, ",")+"}")
			for field, value := range have {
				if _, ok := expected[field]; !ok {
					expected[field] = value
				}
			}
			merged, changes, err := broker.MergeStream(want, have, c.exact...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(changes, c.changes) {
				t.Errorf("changes are\n%q, want\n%q", changes, c.changes)
			}
			if !reflect.DeepEqual(merged, expected) {
				t.Errorf("it sends\n%s, want\n%s", merged, expected)
			}
		})
	}
	if _, _, err := broker.MergeStream(want, raw(t, `{"max_age":"soon"}`)); err == nil || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("an invalid response: %v", err)
	}
}

func raw(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wide, narrow string
		want         bool
	}{
		{"a.b", "a.b", true},
		{"a.*", "a.b", true},
		{"a.*", "a.*", true},
		{"a.b", "a.*", false},
		{"a.>", "a.b.c", true},
		{"a.>", "a.*.>", true},
		{">", "a", true},
		{"a.>", "a", false},
		{"a.*", "a.>", false},
		{"a.*", "a.b.c", false},
		{"a.*.c", "a.b", false},
		{"*.b", "a.b", true},
		{"a.>", "b.c", false},
		{"a.b", "a.b.>", false},
		{"a.*.>", "a.>", false},
		{">", ">", true},
	} {
		if got := slices.Equal(broker.Union([]string{c.wide}, []string{c.narrow}), []string{c.wide}); got != c.want {
			t.Errorf("%s includes %s: %t", c.wide, c.narrow, got)
		}
	}
	if got := broker.Union([]string{"a.b", "a.c", "d"}, []string{"a.*", "d", "e"}); !slices.Equal(got, []string{"d", "a.*", "e"}) {
		t.Errorf("union: %q", got)
	}
}

// TestBucketsMatchTheClientLibrary checks that nats.go and the nats command can use the buckets.
func TestBucketsMatchTheClientLibrary(t *testing.T) {
	t.Parallel()
	b := brokertest.MustOpen(t, broker.Config{URL: env.Secret(brokertest.StartServer(t).ClientURL())})
	for _, bucket := range []jetstream.KeyValueConfig{
		{Bucket: "ONE", Description: "x", Storage: jetstream.FileStorage, TTL: time.Hour, LimitMarkerTTL: time.Minute, Replicas: 1},
		{Bucket: "TWO", Storage: jetstream.MemoryStorage, Replicas: 1, RePublish: &jetstream.RePublish{Source: "$KV.TWO.>", Destination: "two.>"}},
	} {
		if _, err := b.JetStream().CreateKeyValue(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		library := streamConfig(t, b, "KV_"+bucket.Bucket)
		if err := b.JetStream().DeleteKeyValue(t.Context(), bucket.Bucket); err != nil {
			t.Fatal(err)
		}
		if _, err := b.JetStream().CreateStream(t.Context(), broker.StreamOfBucket(bucket)); err != nil {
			t.Fatal(err)
		}
		if ours := streamConfig(t, b, "KV_"+bucket.Bucket); !reflect.DeepEqual(ours, library) {
			t.Errorf("%s:\n  ours %+v\nlibrary %+v", bucket.Bucket, ours, library)
		}
	}
}
