package broker_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// admin returns a connection like that of an operator with the nats command.
func admin(t *testing.T, srv *server.Server) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// infoOf returns the configuration of a stream or consumer in NATS, without the fields that NATS changes itself.
func infoOf(t *testing.T, js jetstream.JetStream, subject string) map[string]json.RawMessage {
	t.Helper()
	msg, err := js.Conn().Request("$JS.API."+subject, nil, hang)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		Config map[string]json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(msg.Data, &response); err != nil || response.Config == nil {
		t.Fatalf("%s: %v %s", subject, err, msg.Data)
	}
	return response.Config
}

// edit changes the configuration of a stream like the nats command. A field with "null" is unset.
func edit(t *testing.T, js jetstream.JetStream, stream, settings string) {
	t.Helper()
	config := infoOf(t, js, "STREAM.INFO."+stream)
	for field, value := range raw(t, settings) {
		config[field] = value
	}
	send(t, js, "STREAM.UPDATE."+stream, config)
}

func send(t *testing.T, js jetstream.JetStream, subject string, body any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := js.Conn().Request("$JS.API."+subject, data, hang)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(msg.Data), `"error"`) {
		t.Fatalf("%s: %s", subject, msg.Data)
	}
}

// requests returns a function that returns the requests to the JetStream API so far that change something.
func requests(t *testing.T, js jetstream.JetStream) func() []string {
	t.Helper()
	sub := brokertest.Subscribe(t, js.Conn(), "$JS.API.>")
	return func() []string {
		t.Helper()
		// All earlier requests have arrived once this one has.
		if err := js.Conn().Publish("$JS.API.END", nil); err != nil {
			t.Fatal(err)
		}
		var subjects []string
		for {
			msg, err := sub.NextMsg(hang)
			if err != nil {
				t.Fatal(err)
			}
			if msg.Subject == "$JS.API.END" {
				return subjects
			}
			for _, verb := range []string{"STREAM.UPDATE.", "STREAM.CREATE.", "STREAM.DELETE.", "CONSUMER.CREATE.", "CONSUMER.DURABLE."} {
				if strings.HasPrefix(msg.Subject, "$JS.API."+verb) {
					subjects = append(subjects, strings.TrimPrefix(msg.Subject, "$JS.API."))
				}
			}
		}
	}
}

// TestSecondStartChangesNothing counts the requests: every update needs a consensus of the cluster.
func TestSecondStartChangesNothing(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), MaxQueuedJobs: 10}
	seen := requests(t, js)
	brokertest.MustOpen(t, cfg)
	if got := seen(); len(got) < 15 {
		t.Fatalf("the first start sent %q", got)
	}
	brokertest.MustOpen(t, cfg)
	if got := seen(); len(got) != 0 {
		t.Errorf("the second start sent %q", got)
	}
	cfg.MaxQueuedJobs = 11
	log := newLines()
	if _, err := brokertest.Open(t, cfg, log); err != nil {
		t.Fatal(err)
	}
	if got := seen(); !slices.Equal(got, []string{"STREAM.UPDATE.JOBS"}) {
		t.Errorf("a start with another limit sent %q", got)
	}
	log.await(t, "configuration in NATS updated")
}

// TestForeignSettingsAreKept changes settings that this version does not require, as an operator or a newer version may.
func TestForeignSettingsAreKept(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), MaxQueuedJobs: 10}
	brokertest.MustOpen(t, cfg)
	edit(t, js, broker.StreamJobs, `{"subjects":["jobs.*.*.*.*","parts.>"],"description":"newer","metadata":{"team":"x"},"allow_batched":true,
		"allow_atomic":true,"max_bytes":123456789,"allow_msg_ttl":true,"max_msgs":99}`)
	edit(t, js, broker.UsersStream, `{"compression":"s2","allow_atomic":true,"duplicate_window":1000000000}`)
	edit(t, js, broker.StreamDead, `{"max_age":0,"max_msgs_per_subject":5,"allow_msg_schedules":true,"allow_rollup_hdrs":true}`)
	name := broker.ConsumerName(job.KindImage, job.LaneGuest)
	consumer := infoOf(t, js, "CONSUMER.INFO.JOBS."+name)
	for field, value := range raw(t, `{"description":"newer","metadata":{"team":"x"},"sample_freq":"7","max_batch":50,"max_ack_pending":3,"max_deliver":4}`) {
		consumer[field] = value
	}
	send(t, js, "CONSUMER.CREATE.JOBS."+name, map[string]any{"stream_name": "JOBS", "config": consumer})

	jobs, users, dead := infoOf(t, js, "STREAM.INFO.JOBS"), infoOf(t, js, "STREAM.INFO.KV_USERS"), infoOf(t, js, "STREAM.INFO.DEAD")
	seen := requests(t, js)
	brokertest.MustOpen(t, cfg)
	if got := seen(); !slices.Equal(got, []string{"STREAM.UPDATE.JOBS", "CONSUMER.CREATE.JOBS." + name}) {
		t.Errorf("it sent %q", got)
	}
	jobs["max_msgs"] = json.RawMessage("10")
	consumer["max_ack_pending"], consumer["max_deliver"] = json.RawMessage("-1"), json.RawMessage("-1")
	for subject, want := range map[string]map[string]json.RawMessage{
		"STREAM.INFO.JOBS": jobs, "STREAM.INFO.KV_USERS": users, "STREAM.INFO.DEAD": dead, "CONSUMER.INFO.JOBS." + name: consumer,
	} {
		got := infoOf(t, js, subject)
		for field, value := range want {
			if field != "metadata" && string(got[field]) != string(value) {
				t.Errorf("%s: %s is %s, want %s", subject, field, got[field], value)
			}
		}
	}
	if got := string(infoOf(t, js, "STREAM.INFO.JOBS")["metadata"]); !strings.Contains(got, `"team":"x"`) {
		t.Errorf("metadata is %s", got)
	}
}

// TestRequiredSettingsAreRestored unsets required settings that NATS can change back.
func TestRequiredSettingsAreRestored(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL())}
	brokertest.MustOpen(t, cfg)
	want := infoOf(t, js, "STREAM.INFO.JOBS")
	edit(t, js, broker.StreamJobs, `{"subjects":["jobs.image.*.*.*","other"],"republish":null,"allow_direct":false,"discard":"old"}`)
	brokertest.MustOpen(t, cfg)
	got := infoOf(t, js, "STREAM.INFO.JOBS")
	for _, field := range []string{"republish", "allow_direct", "discard"} {
		if string(got[field]) != string(want[field]) {
			t.Errorf("%s is %s, want %s", field, got[field], want[field])
		}
	}
	if string(got["subjects"]) != `["other","jobs.*.*.*.*"]` {
		t.Errorf("subjects are %s", got["subjects"])
	}
}

// TestConsumersKeepOtherFilters adds filters to a consumer, as a newer version may.
func TestConsumersKeepOtherFilters(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL())}
	brokertest.MustOpen(t, cfg)
	edit(t, js, broker.StreamJobs, `{"subjects":["jobs.*.*.*.*","parts.*"]}`)
	name := broker.ConsumerName(job.KindImage, job.LaneGuest)
	set := func(filters string) {
		t.Helper()
		consumer := infoOf(t, js, "CONSUMER.INFO.JOBS."+name)
		delete(consumer, "filter_subject")
		consumer["filter_subjects"] = json.RawMessage(filters)
		send(t, js, "CONSUMER.CREATE.JOBS."+name, map[string]any{"stream_name": "JOBS", "config": consumer})
	}
	for _, c := range []struct{ there, want string }{
		{`["jobs.image.guest.>","parts.image"]`, `["jobs.image.guest.>","parts.image"]`},
		{`["parts.image","parts.other"]`, `["parts.image","parts.other","jobs.image.guest.>"]`},
	} {
		set(c.there)
		brokertest.MustOpen(t, cfg)
		if got := string(infoOf(t, js, "CONSUMER.INFO.JOBS."+name)["filter_subjects"]); got != strings.ReplaceAll(c.want, ">", `\u003e`) && got != c.want {
			t.Errorf("with %s there are %s afterwards, want %s", c.there, got, c.want)
		}
	}
}

// recreate deletes a stream and creates it with other settings.
func recreate(t *testing.T, js jetstream.JetStream, stream, settings string) {
	t.Helper()
	config := infoOf(t, js, "STREAM.INFO."+stream)
	for field, value := range raw(t, settings) {
		config[field] = value
	}
	if err := js.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	send(t, js, "STREAM.CREATE."+stream, config)
}

func migrate(t *testing.T, cfg broker.Config, m broker.Migration) []string {
	t.Helper()
	done, err := broker.Migrate(t.Context(), cfg, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range done {
		list = append(list, string(c.Action)+" "+c.Target+" "+strings.Join(c.Settings, ", "))
	}
	return list
}

// TestMigrate opens a store of an older version, without TTLs of single messages.
func TestMigrate(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), MaxQueuedJobs: 10, ResultTTL: 72 * time.Hour}
	first := brokertest.MustOpen(t, cfg)
	brokertest.Close(t, first)
	for _, stream := range []string{broker.UsersStream, broker.ResetsStream} {
		recreate(t, js, stream, `{"allow_msg_ttl":false,"subject_delete_marker_ttl":0,"allow_direct":false,"metadata":{"team":"x"}}`)
	}
	if _, err := js.Publish(t.Context(), "$KV.USERS.someone", []byte("x")); err != nil {
		t.Fatal(err)
	}
	cfg.MaxQueuedJobs = 20
	before := infoOf(t, js, "STREAM.INFO.KV_USERS")
	seen := requests(t, js)
	// A worker uses neither stream.
	brokertest.MustOpen(t, broker.Config{URL: cfg.URL, Follower: true})
	_, err := brokertest.Open(t, cfg, slog.DiscardHandler)
	if !errors.Is(err, broker.ErrMigrationNeeded) {
		t.Fatalf("it opens: %v", err)
	}
	for _, word := range []string{"stream KV_USERS", "stream KV_RESET_TOKENS", "allow_msg_ttl: false -> true", "api migrate", "deploy/rollback.md"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not contain %q", err, word)
		}
	}
	// The migration is run by hand, without the settings of the service.
	bare := broker.Config{URL: cfg.URL}
	settings := " allow_msg_ttl: false -> true, allow_direct: false -> true, subject_delete_marker_ttl: (unset) -> 1m0s"
	want := []string{"migrate stream KV_USERS" + settings, "migrate stream KV_RESET_TOKENS" + settings}
	for range 2 {
		if got := migrate(t, bare, broker.Migration{DryRun: true}); !slices.Equal(got, want) {
			t.Errorf("the dry run returns\n%q, want\n%q", got, want)
		}
	}
	if got := seen(); len(got) != 0 {
		t.Errorf("the refused start and the dry run sent %q", got)
	}
	if got := migrate(t, bare, broker.Migration{}); !slices.Equal(got, want) {
		t.Errorf("the migration returns\n%q, want\n%q", got, want)
	}
	if got := seen(); !slices.Equal(got, []string{"STREAM.UPDATE.KV_USERS", "STREAM.UPDATE.KV_RESET_TOKENS"}) {
		t.Errorf("the migration sent %q", got)
	}
	if got := migrate(t, bare, broker.Migration{}); len(got) != 0 {
		t.Errorf("a second migration returns %q", got)
	}
	if got := seen(); len(got) != 0 {
		t.Errorf("a second migration sent %q", got)
	}
	for field, value := range infoOf(t, js, "STREAM.INFO.KV_USERS") {
		switch field {
		case "allow_msg_ttl", "allow_direct", "subject_delete_marker_ttl", "metadata":
		default:
			if string(before[field]) != string(value) {
				t.Errorf("it changed %s from %s to %s", field, before[field], value)
			}
		}
	}
	b := brokertest.MustOpen(t, cfg)
	if got := streamConfig(t, b, broker.StreamJobs).MaxMsgs; got != 20 {
		t.Errorf("MAX_QUEUED_JOBS is %d", got)
	}
	if got := streamConfig(t, b, broker.ResultsStream).MaxAge; got != 72*time.Hour {
		t.Errorf("RESULT_TTL is %s", got)
	}
	if _, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.UsersStream, "$KV.USERS.someone"); err != nil {
		t.Errorf("the stored message: %v", err)
	}
}

// TestMigrateRecreates has streams whose settings NATS cannot change.
func TestMigrateRecreates(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	js := admin(t, srv)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), ResultTTL: 72 * time.Hour}
	brokertest.Close(t, brokertest.MustOpen(t, cfg))
	recreate(t, js, broker.StreamUsage, `{"allow_msg_counter":false}`)
	recreate(t, js, broker.ResultsStream, `{"storage":"memory","max_age":360000000000000}`)
	if _, err := js.Publish(t.Context(), "usage.day.a.b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := brokertest.Open(t, cfg, slog.DiscardHandler); !errors.Is(err, broker.ErrMigrationNeeded) {
		t.Fatalf("it opens: %v", err)
	}
	seen := requests(t, js)
	bare := broker.Config{URL: cfg.URL}
	_, err := broker.Migrate(t.Context(), bare, broker.Migration{}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, broker.ErrRecreate) || !strings.Contains(err.Error(), "stream USAGE (allow_msg_counter: (unset) -> true), which is not empty (messages: 1)") {
		t.Errorf("a stream with messages: %v", err)
	}
	if got := seen(); len(got) != 0 {
		t.Errorf("it sent %q", got)
	}
	want := []string{
		"recreate stream USAGE allow_msg_counter: (unset) -> true", `recreate stream KV_RESULTS storage: "memory" -> "file"`,
	}
	if got := migrate(t, bare, broker.Migration{Recreate: []string{broker.StreamUsage}}); !slices.Equal(got, want) {
		t.Errorf("it returns %q, want %q", got, want)
	}
	if got := infoOf(t, js, "STREAM.INFO.KV_RESULTS"); string(got["max_age"]) != "360000000000000" || string(got["storage"]) != `"file"` {
		t.Errorf("the results are kept for %s in a %s", got["max_age"], got["storage"])
	}
	b := brokertest.MustOpen(t, cfg)
	if c := streamConfig(t, b, broker.StreamUsage); !c.AllowMsgCounter || !c.AllowAtomicPublish {
		t.Errorf("USAGE is %+v", c)
	}
}

// TestMigrateEmbedded migrates the store in a DATA_DIR.
func TestMigrateEmbedded(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{DataDir: t.TempDir()}
	empty := broker.Config{DataDir: cfg.DataDir + "/none"}
	if got := migrate(t, empty, broker.Migration{}); len(got) != 0 {
		t.Errorf("without a store it returns %q", got)
	}
	if _, err := os.Stat(empty.DataDir); err == nil {
		t.Error("it created a directory")
	}
	first := brokertest.MustOpen(t, cfg)
	if _, err := broker.Migrate(t.Context(), cfg, broker.Migration{}, slog.New(slog.DiscardHandler)); !errors.Is(err, broker.ErrInUse) {
		t.Errorf("while it is open: %v", err)
	}
	recreate(t, first.JetStream(), broker.FeedbackStream, `{"allow_msg_ttl":false,"subject_delete_marker_ttl":0}`)
	brokertest.Close(t, first)
	if _, err := brokertest.Open(t, cfg, slog.DiscardHandler); !errors.Is(err, broker.ErrMigrationNeeded) {
		t.Fatalf("it opens: %v", err)
	}
	if got := migrate(t, cfg, broker.Migration{DryRun: true}); len(got) != 1 {
		t.Errorf("the dry run returns %q", got)
	}
	if got := migrate(t, cfg, broker.Migration{}); len(got) != 1 {
		t.Errorf("it returns %q", got)
	}
	if got := migrate(t, cfg, broker.Migration{}); len(got) != 0 {
		t.Errorf("the second time it returns %q", got)
	}
	if !streamConfig(t, brokertest.MustOpen(t, cfg), broker.FeedbackStream).AllowMsgTTL {
		t.Error("messages cannot have a time to live")
	}
}
