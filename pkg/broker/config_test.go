package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var cfg broker.Config
	if err := env.Load(nil, &cfg); err != nil {
		t.Fatal(err)
	}
	want := broker.Config{
		DataDir: "./data", Sync: "always", DataLoss: "refuse", Replicas: 1, ResultTTL: 24 * time.Hour, MaxQueuedJobs: 100_000,
	}
	if cfg != want || !cfg.Embedded() {
		t.Errorf("%+v, want %+v", cfg, want)
	}
}

func TestConfigFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*broker.Config)
		// want is part of the error; empty if the configuration is valid.
		want string
	}{
		"as it is":              {func(*broker.Config) {}, ""},
		"no directory":          {func(c *broker.Config) { c.DataDir = " " }, "DATA_DIR"},
		"no directory, outside": {func(c *broker.Config) { c.DataDir, c.URL = "", "nats://h:4222" }, ""},
		"several addresses":     {func(c *broker.Config) { c.URL = "nats://a:1, tls://b:2,ws://c:3,wss://d" }, ""},
		"address without scheme": {
			func(c *broker.Config) { c.URL = "localhost:4222" }, "NATS_URL",
		},
		"address of the web":      {func(c *broker.Config) { c.URL = "http://h:4222" }, "NATS_URL"},
		"second address bad":      {func(c *broker.Config) { c.URL = "nats://a:1,nonsense" }, "NATS_URL"},
		"trailing comma":          {func(c *broker.Config) { c.URL = "nats://a:1," }, "NATS_URL"},
		"credentials at home":     {func(c *broker.Config) { c.Creds = "x.creds" }, "NATS_CREDS"},
		"sync always":             {func(c *broker.Config) { c.Sync = "always" }, ""},
		"sync interval":           {func(c *broker.Config) { c.Sync = "250ms" }, ""},
		"sync never":              {func(c *broker.Config) { c.Sync = "never" }, "NATS_SYNC"},
		"sync zero":               {func(c *broker.Config) { c.Sync = "0s" }, "NATS_SYNC"},
		"sync negative":           {func(c *broker.Config) { c.Sync = "-1s" }, "NATS_SYNC"},
		"sync without unit":       {func(c *broker.Config) { c.Sync = "5" }, "NATS_SYNC"},
		"two replicas":            {func(c *broker.Config) { c.URL, c.Replicas = "nats://h:1", 2 }, "NATS_REPLICAS"},
		"minus one replica":       {func(c *broker.Config) { c.URL, c.Replicas = "nats://h:1", -1 }, "NATS_REPLICAS"},
		"three replicas":          {func(c *broker.Config) { c.URL, c.Replicas = "nats://h:1", 3 }, ""},
		"five replicas":           {func(c *broker.Config) { c.URL, c.Replicas = "nats://h:1", 5 }, ""},
		"three replicas at home":  {func(c *broker.Config) { c.Replicas = 3 }, "NATS_REPLICAS"},
		"short life of results":   {func(c *broker.Config) { c.ResultTTL = 24*time.Hour - 1 }, "RESULT_TTL"},
		"long life of results":    {func(c *broker.Config) { c.ResultTTL = 1000 * time.Hour }, ""},
		"negative store":          {func(c *broker.Config) { c.MaxStoreMB = -1 }, "NATS_MAX_STORE_MB"},
		"bounded store":           {func(c *broker.Config) { c.MaxStoreMB = 100 }, ""},
		"bounded store, outside":  {func(c *broker.Config) { c.URL, c.MaxStoreMB = "nats://h:1", 100 }, "NATS_MAX_STORE_MB"},
		"loss refused":            {func(c *broker.Config) { c.DataLoss = "refuse" }, ""},
		"loss accepted":           {func(c *broker.Config) { c.DataLoss = "accept" }, ""},
		"loss of another kind":    {func(c *broker.Config) { c.DataLoss = "yes" }, "DATA_LOSS"},
		"loss outside":            {func(c *broker.Config) { c.URL, c.DataLoss = "nats://h:1", "accept" }, "DATA_LOSS"},
		"negative bound":          {func(c *broker.Config) { c.MaxQueuedJobs = -1 }, "MAX_QUEUED_JOBS"},
		"no bound":                {func(c *broker.Config) { c.MaxQueuedJobs = 0 }, ""},
		"listen on loopback":      {func(c *broker.Config) { c.Listen = "127.0.0.1:4222" }, ""},
		"listen on loopback v6":   {func(c *broker.Config) { c.Listen = "[::1]:4222" }, ""},
		"listen on localhost":     {func(c *broker.Config) { c.Listen = "localhost:4222" }, ""},
		"listen on any port":      {func(c *broker.Config) { c.Listen = "127.0.0.1:0" }, ""},
		"listen everywhere":       {func(c *broker.Config) { c.Listen = ":4222" }, "NATS_LISTEN_USER"},
		"listen everywhere, four": {func(c *broker.Config) { c.Listen = "0.0.0.0:4222" }, "NATS_LISTEN_PASSWORD"},
		"listen everywhere, six":  {func(c *broker.Config) { c.Listen = "[::]:4222" }, "NATS_LISTEN_USER"},
		"listen on the network":   {func(c *broker.Config) { c.Listen = "192.0.2.1:4222" }, "NATS_LISTEN_USER"},
		"listen with credentials": {func(c *broker.Config) { c.Listen, c.ListenUser, c.ListenPassword = ":4222", "u", "p" }, ""},
		"user alone":              {func(c *broker.Config) { c.Listen, c.ListenUser = "127.0.0.1:1", "u" }, "go together"},
		"password alone":          {func(c *broker.Config) { c.Listen, c.ListenPassword = ":1", "p" }, "go together"},
		"user without port":       {func(c *broker.Config) { c.ListenUser = "u" }, "NATS_LISTEN"},
		"password without port":   {func(c *broker.Config) { c.ListenPassword = "p" }, "NATS_LISTEN"},
		"listen without a port":   {func(c *broker.Config) { c.Listen = "127.0.0.1" }, "NATS_LISTEN"},
		"listen on a wild port":   {func(c *broker.Config) { c.Listen = "127.0.0.1:99999" }, "NATS_LISTEN"},
		"listen and go outside":   {func(c *broker.Config) { c.Listen, c.URL = "127.0.0.1:1", "nats://h:1" }, "NATS_LISTEN"},
	} {
		cfg := broker.Config{DataDir: "d", Sync: "always", DataLoss: "refuse", Replicas: 1, ResultTTL: 24 * time.Hour, MaxQueuedJobs: 10}
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want an error with %s", name, err, c.want)
		}
	}
}

func TestConfigReportsAllFaultsAtOnceAndNoSecret(t *testing.T) {
	t.Parallel()
	cfg := broker.Config{
		URL: "ftp://name:geheim@h:1", Sync: "x", Replicas: 4, ResultTTL: time.Second, MaxQueuedJobs: -2, Listen: ":1",
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, variable := range []string{
		"NATS_URL", "NATS_SYNC", "NATS_REPLICAS", "RESULT_TTL", "MAX_QUEUED_JOBS", "NATS_LISTEN",
	} {
		if !strings.Contains(err.Error(), variable) {
			t.Errorf("%s is not reported: %v", variable, err)
		}
	}
	if strings.Contains(err.Error(), "geheim") {
		t.Errorf("the error contains a password: %v", err)
	}
}

func TestOpenRejectsInvalidConfig(t *testing.T) {
	t.Parallel()
	_, err := brokertest.Open(t, broker.Config{DataDir: t.TempDir(), Sync: "never"}, newLines())
	if err == nil || !strings.Contains(err.Error(), "NATS_SYNC") {
		t.Errorf("%v", err)
	}
}
