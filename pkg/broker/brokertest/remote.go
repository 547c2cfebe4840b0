package brokertest

import (
	"net/url"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Remote is a worker's broker, which is connected to the server of a process with group commit.
type Remote struct {
	*broker.Broker

	t   testing.TB
	cfg broker.Config
	api *broker.Broker
}

// StartRemote starts both, with options. They are closed when the test ends.
func StartRemote(t testing.TB, options ...func(*broker.Config)) *Remote {
	t.Helper()
	r := &Remote{t: t, cfg: Config(t)}
	for _, option := range options {
		option(&r.cfg)
	}
	r.cfg.Sync, r.cfg.Listen = "always", "127.0.0.1:0"
	GroupCommit(&r.cfg)
	RequireKey(&r.cfg)
	r.api = MustOpen(t, r.cfg)
	address, err := url.Parse(r.api.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	r.cfg.Listen = address.Host
	r.Broker = Start(t, append(options, func(c *broker.Config) {
		c.URL, c.DataDir, c.Follower = env.Secret(r.api.ClientURL()), r.cfg.DataDir, true
	})...)
	return r
}

// API returns the broker of the process that runs the server.
func (r *Remote) API() *broker.Broker { return r.api }

// Restart restarts the process that runs the server, with options, and waits until the worker is connected to the new one.
func (r *Remote) Restart(options ...func(*broker.Config)) {
	r.t.Helper()
	connected := r.Conn().StatusChanged(nats.CONNECTED)
	Close(r.t, r.api)
	for _, option := range options {
		option(&r.cfg)
	}
	r.api = MustOpen(r.t, r.cfg)
	<-connected
}
