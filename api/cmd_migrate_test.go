package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// natsWithStream is an external NATS in which a stream is as an earlier version might have made it.
func natsWithStream(t *testing.T, config jetstream.StreamConfig) string {
	t.Helper()
	url := brokertest.StartServer(t).ClientURL()
	js := brokertest.JetStream(t, url)
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return url
}

func TestMigrateCommand(t *testing.T) {
	t.Parallel()
	url := natsWithStream(t, jetstream.StreamConfig{
		Name: "KV_USERS", Subjects: []string{"$KV.USERS.>"}, MaxMsgsPerSubject: 1, AllowRollup: true, AllowDirect: true, Discard: jetstream.DiscardNew,
	})
	environ := []string{"NATS_URL=" + url, "JWT_SECRET=0123456789abcdef0123456789abcdef", "LISTEN_ADDR=127.0.0.1:0"}
	const change = "stream KV_USERS: migrate\n  allow_msg_ttl: false -> true\n  subject_delete_marker_ttl: (unset) -> 1m0s\n"
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"serve"}, environ, io.Discard, &errs); code != exitFailure ||
		!strings.Contains(errs.String(), "stream KV_USERS") || !strings.Contains(errs.String(), "api migrate") {
		t.Errorf("a start exits with %d: %s", code, &errs)
	}
	for _, c := range []struct{ args, want string }{
		{"--dry-run", change + "Nothing was changed (dry run).\n"},
		{"", change + "Migrated. The version before may not start on this store any more.\n"},
		{"", "Nothing was migrated: no stream needs it.\n"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"migrate"}, strings.Fields(c.args)...), environ[:1], &out, &errs); code != 0 || out.String() != c.want {
			t.Errorf("migrate %s exits with %d: %s%s, want %s", c.args, code, &out, &errs, c.want)
		}
	}
}

func TestMigrateCommandRecreates(t *testing.T) {
	t.Parallel()
	url := natsWithStream(t, jetstream.StreamConfig{Name: "USAGE", Subjects: []string{"usage.day.*.*"}})
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Request("usage.day.a.b", []byte("x"), hang); err != nil {
		t.Fatal(err)
	}
	environ := []string{"NATS_URL=" + url}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"migrate"}, environ, &out, &errs); code != exitFailure || out.Len() > 0 ||
		!strings.Contains(errs.String(), "messages: 1") || !strings.Contains(errs.String(), "--recreate") {
		t.Errorf("it exits with %d: %s%s", code, &out, &errs)
	}
	var output struct {
		DryRun  bool `json:"dry_run"`
		Changes []struct {
			Target, Action string
			Settings       []string
			Messages       int
		}
	}
	if code := run(t.Context(), []string{"migrate", "-o", "json", "--recreate", "USAGE"}, environ, &out, &errs); code != 0 {
		t.Fatalf("it exits with %d: %s", code, &errs)
	}
	if err := json.Unmarshal(out.Bytes(), &output); err != nil || len(output.Changes) != 1 || output.DryRun ||
		output.Changes[0].Action != "recreate" || output.Changes[0].Messages != 1 || len(output.Changes[0].Settings) == 0 {
		t.Errorf("%v in %s", err, &out)
	}
}

func TestMigrateCommandUsage(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"x", "-o yaml", "--odd", "--recreate"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"migrate"}, strings.Fields(args)...), nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "usage: api migrate") {
			t.Errorf("%s exits with %d: %s%s", args, code, &out, &errs)
		}
	}
	dir := filepath.Join(t.TempDir(), "none")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"migrate", "-o", "json"}, []string{"DATA_DIR=" + dir}, &out, &errs); code != 0 || !strings.Contains(out.String(), `"changes": []`) {
		t.Errorf("without a store it exits with %d: %s%s", code, &out, &errs)
	}
	if code := run(t.Context(), []string{"migrate"}, []string{"NATS_URL=http://x"}, &out, &errs); code != exitFailure || !strings.Contains(errs.String(), "NATS_URL") {
		t.Errorf("with a wrong setting it exits with %d: %s", code, &errs)
	}
}
