package broker_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// withKey returns an embedded NATS whose port requires a key.
func withKey(t *testing.T) (*broker.Broker, broker.Config) {
	t.Helper()
	cfg := brokertest.Config(t)
	cfg.Listen = "127.0.0.1:0"
	brokertest.RequireKey(&cfg)
	return brokertest.MustOpen(t, cfg), cfg
}

// TestPortRequiresKey connects workers that find the key in DATA_DIR or by NATS_CREDS, and clients without it.
func TestPortRequiresKey(t *testing.T) {
	t.Parallel()
	b, cfg := withKey(t)
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("the process itself: %v", err)
	}
	path := cfg.WorkerKeyPath()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	url := env.Secret(b.ClientURL())
	for name, worker := range map[string]broker.Config{
		"found": {URL: url, DataDir: cfg.DataDir}, "configured": {URL: url, DataDir: t.TempDir(), Creds: path},
	} {
		worker.Follower = true
		w, err := brokertest.Open(t, worker, newLines())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := w.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := filepath.Join(t.TempDir(), broker.WorkerKeyFile)
	if err := os.WriteFile(other, []byte("SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cfg  broker.Config
		want string
	}{
		"no key":      {broker.Config{Follower: true, DataDir: t.TempDir()}, "NATS_CREDS"},
		"another key": {broker.Config{Follower: true, DataDir: t.TempDir(), Creds: other}, other},
		"no file":     {broker.Config{Follower: true, Creds: filepath.Join(t.TempDir(), "none")}, "NATS_CREDS"},
		"an API":      {broker.Config{DataDir: cfg.DataDir}, "NATS_LISTEN_USER"},
	} {
		test.cfg.URL = url
		if _, err := brokertest.Open(t, test.cfg, newLines()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyIsKept restarts the server. A connected worker reconnects with the same key.
func TestKeyIsKept(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	cfg.Listen = "127.0.0.1:0"
	brokertest.RequireKey(&cfg)
	first := brokertest.MustOpen(t, cfg)
	before, err := os.ReadFile(cfg.WorkerKeyPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	second := brokertest.MustOpen(t, cfg)
	after, err := os.ReadFile(cfg.WorkerKeyPath())
	if err != nil || string(before) != string(after) {
		t.Errorf("another key: %v", err)
	}
	brokertest.MustOpen(t, broker.Config{URL: env.Secret(second.ClientURL()), Follower: true, Creds: cfg.WorkerKeyPath()})
}

// TestDamagedKeyIsNotReplaced opens a broker with a damaged key, which is an error.
func TestDamagedKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	cfg.Listen = "127.0.0.1:0"
	brokertest.RequireKey(&cfg)
	if err := os.WriteFile(cfg.WorkerKeyPath(), []byte("scrap\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := brokertest.Open(t, cfg, newLines()); err == nil || !strings.Contains(err.Error(), cfg.WorkerKeyPath()) {
		t.Errorf("%v", err)
	}
}

// TestKeyOfAnotherNATS has a key in DATA_DIR, but connects a worker to a NATS that requires no credentials.
func TestKeyOfAnotherNATS(t *testing.T) {
	t.Parallel()
	_, cfg := withKey(t)
	srv := brokertest.StartServer(t)
	w := brokertest.MustOpen(t, broker.Config{URL: env.Secret(srv.ClientURL()), Follower: true, DataDir: cfg.DataDir})
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWorkerKeyCannotAccessAccounts tries requests that a worker does not need.
func TestWorkerKeyCannotAccessAccounts(t *testing.T) {
	t.Parallel()
	b, cfg := withKey(t)
	const secret = "a-password-hash"
	subject := broker.UserSubject("somebody")
	if _, err := b.JetStream().Publish(t.Context(), subject, []byte(secret)); err != nil {
		t.Fatal(err)
	}
	option, err := nats.NkeyOptionFromSeed(cfg.WorkerKeyPath())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(b.ClientURL(), option, nats.CustomInboxPrefix("_INBOX_WORKER"), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// Allowed requests are answered, so unanswered ones were denied.
	if _, err := nc.Request("$JS.API.STREAM.INFO."+broker.StreamJobs, nil, hang); err != nil {
		t.Fatal(err)
	}
	stream := broker.UsersStream
	last := `{"last_by_subj":"` + subject + `"}`
	encode := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	source := &jetstream.StreamSource{Name: stream}
	copying := jetstream.StreamConfig{Name: "COPY", Storage: jetstream.MemoryStorage, Sources: []*jetstream.StreamSource{source}}
	mirror := jetstream.StreamConfig{Name: "MIRROR", Storage: jetstream.MemoryStorage, Mirror: source}
	control := jetstream.StreamConfig{Name: broker.ControlStream, Sources: []*jetstream.StreamSource{source}}
	consumer := map[string]any{"stream_name": stream, "config": map[string]any{"ack_policy": "none", "deliver_subject": "_INBOX_WORKER.x"}}
	for api, body := range map[string]string{
		"STREAM.MSG.GET." + stream:                    last,
		"DIRECT.GET." + stream:                        last,
		"DIRECT.GET." + stream + "." + subject:        "",
		"STREAM.INFO." + stream:                       `{"subjects_filter":">"}`,
		"STREAM.NAMES":                                "",
		"STREAM.LIST":                                 "",
		"STREAM.SNAPSHOT." + stream:                   `{"deliver_subject":"_INBOX_WORKER.x"}`,
		"STREAM.RESTORE.COPY":                         "{}",
		"STREAM.CREATE.COPY":                          encode(copying),
		"STREAM.CREATE.MIRROR":                        encode(mirror),
		"STREAM.UPDATE." + broker.ControlStream:       encode(control),
		"STREAM.DELETE." + stream:                     "",
		"STREAM.PURGE." + stream:                      "",
		"STREAM.MSG.DELETE." + stream:                 `{"seq":1}`,
		"CONSUMER.CREATE." + stream:                   encode(consumer),
		"CONSUMER.CREATE." + stream + ".c":            encode(consumer),
		"CONSUMER.CREATE." + stream + ".c." + subject: encode(consumer),
		"CONSUMER.DURABLE.CREATE." + stream + ".c":    encode(consumer),
		"CONSUMER.NAMES." + stream:                    "",
		"CONSUMER.MSG.NEXT." + stream + ".c":          "",
		"STREAM.MSG.GET." + broker.ResetsStream:       `{"seq":1}`,
		"STREAM.MSG.GET." + broker.FeedbackStream:     `{"seq":1}`,
		"STREAM.MSG.GET." + broker.ImagesStream:       `{"seq":1}`,
	} {
		if msg, err := nc.Request("$JS.API."+api, []byte(body), 200*time.Millisecond); err == nil {
			t.Errorf("%s is answered: %s", api, msg.Data)
		}
	}
	// A worker can subscribe neither to writes nor to the responses to others.
	received := make(chan *nats.Msg, 100)
	for _, subject := range []string{">", "$KV.>", subject, "_INBOX.>", "$JS.>", "events.>"} {
		if _, err := nc.ChanSubscribe(subject, received); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Publish(subject, []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.JetStream().Publish(t.Context(), broker.UserSubject("other"), []byte(secret)); err != nil {
		t.Fatal(err)
	}
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), stream, subject)
	if err != nil || string(msg.Data) != secret {
		t.Errorf("the account is %q, %v", msg.Data, err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case msg := <-received:
		t.Errorf("it receives %s: %s", msg.Subject, msg.Data)
	default:
	}
}
