package brokertest

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// nodes is the number of servers of a cluster: the minimum that tolerates the loss of one.
const nodes = 3

const (
	// formTimeout bounds the wait for a cluster to form or for a node to rejoin, so that a test that hangs fails.
	formTimeout  = 3 * time.Minute
	pollInterval = 20 * time.Millisecond
)

// Cluster is a cluster of three nats-servers in this process.
type Cluster struct {
	t       testing.TB
	servers [nodes]*server.Server
	options [nodes]*server.Options
}

// StartCluster returns a cluster that has elected its leaders and is stopped when the test ends. Its servers do not advertise
// each other, so that a client connects only to the nodes in its configuration.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var routes []*url.URL
	for i := range nodes {
		port := FreePort(t)
		c.options[i] = &server.Options{
			ServerName: "node-" + strconv.Itoa(i), Host: host, Port: FreePort(t), NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			Cluster: server.ClusterOpts{Name: "test", Host: host, Port: port, NoAdvertise: true},
		}
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: net.JoinHostPort(host, strconv.Itoa(port))})
	}
	t.Cleanup(func() {
		for i := range nodes {
			c.Stop(i)
		}
	})
	for i, opts := range c.options {
		opts.Routes = routes
		c.start(i)
	}
	for i := range nodes {
		c.ready(i)
	}
	c.await("the cluster to form", func() bool {
		for _, s := range c.servers {
			if s.JetStreamIsLeader() {
				return len(s.JetStreamClusterPeers()) == nodes
			}
		}
		return false
	})
	return c
}

// URL returns the value of NATS_URL for the given nodes, or for all nodes when none is given.
func (c *Cluster) URL(of ...int) string {
	if len(of) == 0 {
		of = []int{0, 1, 2}
	}
	var urls []string
	for _, i := range of {
		urls = append(urls, "nats://"+net.JoinHostPort(host, strconv.Itoa(c.options[i].Port)))
	}
	return strings.Join(urls, ",")
}

// Config returns a configuration with the given nodes, or all when none is given.
func (c *Cluster) Config(of ...int) broker.Config {
	return broker.Config{URL: env.Secret(c.URL(of...)), Replicas: nodes}
}

// Open returns a broker that is configured with the given nodes, or all when none is given, and closed when the test ends.
func (c *Cluster) Open(of ...int) *broker.Broker {
	c.t.Helper()
	return MustOpen(c.t, c.Config(of...))
}

// Stop stops a node, which may be stopped already, and keeps its data.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	if s := c.servers[i]; s != nil {
		StopServer(s)
	}
}

// Restart starts stopped nodes on their data and their ports and returns when they are healthy: they have then caught up with
// the others, so that another node may be stopped. Nodes that were stopped together must be restarted together: one that has
// lost its streams in memory does not count for an election unless all nodes take part.
func (c *Cluster) Restart(stopped ...int) {
	c.t.Helper()
	for _, i := range stopped {
		c.start(i)
	}
	for _, i := range stopped {
		c.ready(i)
		c.await("node "+strconv.Itoa(i)+" to be healthy", func() bool {
			return c.servers[i].Healthz(nil).Status == "ok"
		})
	}
}

// Leader waits until a stream has a leader and returns its node.
func (c *Cluster) Leader(stream string) int {
	c.t.Helper()
	leader := -1
	c.await("a leader of "+stream, func() bool {
		for i, s := range c.servers {
			if s.Running() && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

// AwaitClient waits until a node has a client.
func (c *Cluster) AwaitClient(i int) {
	c.t.Helper()
	c.await("a client of node "+strconv.Itoa(i), func() bool { return c.servers[i].NumClients() > 0 })
}

func (c *Cluster) start(i int) {
	c.t.Helper()
	// A server writes to its options; one that has just stopped may still read them.
	s, err := server.NewServer(c.options[i].Clone())
	if err != nil {
		c.t.Fatalf("configure node %d: %v", i, err)
	}
	c.servers[i] = s
	s.Start()
}

// ready waits until a node accepts connections, which needs the other nodes.
func (c *Cluster) ready(i int) {
	c.t.Helper()
	if !c.servers[i].ReadyForConnections(formTimeout) {
		c.t.Fatalf("node %d did not start", i)
	}
}

func (c *Cluster) await(what string, met func() bool) {
	c.t.Helper()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for limit := time.After(formTimeout); !met(); {
		select {
		case <-ticker.C:
		case <-limit:
			c.t.Fatalf("waited %s for %s", formTimeout, what)
		}
	}
}
