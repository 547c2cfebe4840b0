//go:build unix

package lab

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// node is one nats-server.
type node struct {
	*process
	addr   string
	routes []string
	route  string
	store  string
	config string
}

// maxStore is the storage of a node without faults.
const maxStore = 4 << 30

// newNodes configures the nats-servers; several form a cluster.
func (cl *cluster) newNodes(ctx context.Context) error {
	var routes []string
	for i := range cl.cfg.Nodes {
		addr, err := freePort(ctx)
		if err != nil {
			return err
		}
		route, err := freePort(ctx)
		if err != nil {
			return err
		}
		routes = append(routes, route)
		name := fmt.Sprintf("nats-%d", i+1)
		n := &node{addr: addr, route: route, store: filepath.Join(cl.dir, name), config: filepath.Join(cl.dir, name+".conf")}
		n.process = cl.process(name, cl.programs.nats, []string{"-c", n.config}, nil, func(ctx context.Context) bool {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err != nil {
				return false
			}
			_ = c.Close()
			return true
		})
		cl.nodes = append(cl.nodes, n)
	}
	for _, n := range cl.nodes {
		n.routes = routes
		if err := n.configure(maxStore); err != nil {
			return err
		}
	}
	return nil
}

// configure writes the node's configuration with a storage limit. As in every bundled configuration, each write is synced
// to the disk.
func (n *node) configure(maxStore int64) error {
	host, port, err := net.SplitHostPort(n.addr)
	if err != nil {
		return fmt.Errorf("configure %s: %w", n.name, err)
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "server_name: %s\nhost: %s\nport: %s\n", n.name, host, port)
	_, _ = fmt.Fprintf(&b, "jetstream { store_dir: %q, sync_interval: always, max_file_store: %d, max_memory_store: 268435456 }\n", n.store, maxStore)
	if len(n.routes) > 1 {
		// Without no_advertise clients would learn the nodes' addresses and bypass the proxies.
		routes := "nats-route://" + strings.Join(n.routes, ", nats-route://")
		_, _ = fmt.Fprintf(&b, "cluster { name: lab, listen: %q, no_advertise: true, routes: [%s] }\n", n.route, routes)
	}
	if err := os.WriteFile(n.config, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("configure %s: %w", n.name, err)
	}
	return nil
}

// stored returns the bytes of messages in the node's store.
func (n *node) stored() (int64, error) {
	var sum int64
	err := filepath.WalkDir(n.store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure store of %s: %w", n.name, err)
	}
	return sum, nil
}
