package broker

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// Config selects the NATS server and sets how data is stored in it.
type Config struct {
	DataDir string `env:"DATA_DIR" envDefault:"./data" doc:"Directory of the embedded NATS store, the generated secret and the lock."`

	// URL may carry a password, hence its type.
	URL   env.Secret `env:"NATS_URL" doc:"Addresses of an external NATS, separated by commas; if empty, an embedded one is started."`
	Creds string     `env:"NATS_CREDS" doc:"Credentials file for the external NATS: a JWT with its seed, or an nkey seed such as nats_worker.nk. Without credentials, a worker uses nats_worker.nk in DATA_DIR if NATS is on the same machine."`

	Listen         string     `env:"NATS_LISTEN" doc:"Address on which the embedded NATS accepts separate worker processes; no port is opened if empty. A non-loopback address requires NATS_LISTEN_USER and NATS_LISTEN_PASSWORD. Without them, workers authenticate with the key in DATA_DIR/nats_worker.nk, which is generated at the first start."`
	ListenUser     string     `env:"NATS_LISTEN_USER" doc:"User name that the embedded NATS requires."`
	ListenPassword env.Secret `env:"NATS_LISTEN_PASSWORD" doc:"Password that the embedded NATS requires."`

	Sync       string `env:"NATS_SYNC" envDefault:"always" doc:"When the embedded NATS syncs to the disk: always, that is before a write is confirmed, or at an interval such as 1s, whose data a power failure may lose."`
	MaxStoreMB int    `env:"NATS_MAX_STORE_MB" doc:"Megabytes that the embedded NATS may store; 0 means three quarters of the disk space that is free at startup. When the store is full, submissions are rejected until data expires or is deleted."`
	DataLoss   string `env:"DATA_LOSS" envDefault:"refuse" doc:"What to do when the store in DATA_DIR is so damaged that data is lost: refuse, which does not start, or accept, which moves the damaged files to DATA_DIR/damaged and continues with the rest. Set accept for a single start only."`
	Replicas   int    `env:"NATS_REPLICAS" envDefault:"1" doc:"Replicas of every stream: 1, 3 or 5."`

	ResultTTL     time.Duration `env:"RESULT_TTL" envDefault:"24h" doc:"How long results and media are kept; at least 24h."`
	MaxQueuedJobs int           `env:"MAX_QUEUED_JOBS" envDefault:"100000" doc:"Jobs that may be queued or running in total; 0 means no limit."`

	// Observer, if not nil, receives every publish to a stream.
	Observer WriteObserver `env:"-"`

	// SyncObserver, if not nil, receives every fsync of group commit.
	SyncObserver SyncObserver `env:"-"`

	// Follower is set by workers: they create the streams and consumers they need and never change existing ones.
	Follower bool `env:"-"`
	// serverKeys are the keys of the embedded server's users; nil when it requires none.
	serverKeys *serverKeys

	// deferVerification lets the broker verify the older part of the embedded store once it runs.
	deferVerification bool

	hooks hooks.Hooks
}

// SetHooks lets tests change what is no setting; see package brokertest.
func (c *Config) SetHooks(set func(*hooks.Hooks)) { set(&c.hooks) }

// DefaultAckWait is the AckWait of every real installation; workers send a heartbeat every third of it.
const DefaultAckWait = 15 * time.Second

const (
	minResultTTL = 24 * time.Hour
	// remindInterval is how often a process that is waiting for NATS logs that.
	remindInterval = 30 * time.Second
)

// Embedded reports whether NATS runs inside this process.
func (c Config) Embedded() bool { return c.URL == "" }

// withDefaults returns the configuration with the defaults of unset fields.
func (c Config) withDefaults() Config {
	c.hooks.AckWait = cmp.Or(c.hooks.AckWait, DefaultAckWait)
	c.hooks.ReconcileInterval = cmp.Or(c.hooks.ReconcileInterval, reconcileInterval)
	c.hooks.RemindInterval = cmp.Or(c.hooks.RemindInterval, remindInterval)
	c.hooks.RecentAge = cmp.Or(c.hooks.RecentAge, recentAge)
	c.Replicas = cmp.Or(c.Replicas, 1)
	c.Sync = cmp.Or(c.Sync, syncAlways)
	c.DataLoss = cmp.Or(c.DataLoss, lossRefuse)
	c.ResultTTL = cmp.Or(c.ResultTTL, minResultTTL)
	return c
}

// Validate returns all faults at once, each with the name of its variable.
func (c Config) Validate() error {
	var errs []error
	if c.Embedded() && strings.TrimSpace(c.DataDir) == "" {
		errs = append(errs, errors.New("DATA_DIR must name a directory"))
	}
	if _, err := c.servers(); err != nil {
		errs = append(errs, err)
	}
	if c.Creds != "" && c.Embedded() {
		errs = append(errs, errors.New("NATS_CREDS is for an external NATS: set NATS_URL too"))
	}
	if _, _, err := c.syncSetting(); err != nil {
		errs = append(errs, err)
	}
	if c.Replicas != 0 && c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5 {
		errs = append(errs, fmt.Errorf("NATS_REPLICAS must be 1, 3 or 5, not %d", c.Replicas))
	}
	if c.Embedded() && c.Replicas > 1 {
		errs = append(errs, errors.New("NATS_REPLICAS above 1 needs a cluster: set NATS_URL"))
	}
	if c.ResultTTL != 0 && c.ResultTTL < minResultTTL {
		errs = append(errs, fmt.Errorf("RESULT_TTL must be at least 24h, not %s", c.ResultTTL))
	}
	if c.MaxStoreMB < 0 {
		errs = append(errs, errors.New("NATS_MAX_STORE_MB must not be negative"))
	}
	if c.MaxStoreMB > 0 && !c.Embedded() {
		errs = append(errs, errors.New("NATS_MAX_STORE_MB is for the embedded NATS: set max_file_store in the configuration of the external one"))
	}
	switch c.DataLoss {
	case "", lossRefuse:
	case lossAccept:
		if !c.Embedded() {
			errs = append(errs, errors.New("DATA_LOSS is for the embedded NATS: unset it or NATS_URL"))
		}
	default:
		errs = append(errs, fmt.Errorf("DATA_LOSS must be refuse or accept, not %q", c.DataLoss))
	}
	if c.MaxQueuedJobs < 0 {
		errs = append(errs, errors.New("MAX_QUEUED_JOBS must not be negative"))
	}
	return errors.Join(append(errs, c.checkListen())...)
}

const syncAlways = "always"

// The values of DataLoss.
const (
	lossRefuse = "refuse"
	lossAccept = "accept"
)

// SyncsWrites reports whether this process waits for its disk before it confirms a write.
func (c Config) SyncsWrites() bool {
	always, _, err := c.syncSetting()
	return c.Embedded() && always && err == nil
}

// syncSetting returns whether every write is synced to the disk, or else the interval of syncs.
func (c Config) syncSetting() (always bool, interval time.Duration, err error) {
	if c.Sync == "" || c.Sync == syncAlways {
		return true, 0, nil
	}
	interval, err = time.ParseDuration(c.Sync)
	if err != nil || interval <= 0 {
		return false, 0, fmt.Errorf("NATS_SYNC must be always or an interval such as 1s, not %q", c.Sync)
	}
	return false, interval, nil
}

func (c Config) checkListen() error {
	if c.Listen == "" {
		if c.ListenUser != "" || c.ListenPassword != "" {
			return errors.New("NATS_LISTEN_USER and NATS_LISTEN_PASSWORD are for NATS_LISTEN, which is empty")
		}
		return nil
	}
	if !c.Embedded() {
		return errors.New("NATS_LISTEN is for the embedded NATS: unset it or NATS_URL")
	}
	host, _, err := splitListen(c.Listen)
	if err != nil {
		return err
	}
	if (c.ListenUser == "") != (c.ListenPassword == "") {
		return errors.New("NATS_LISTEN_USER and NATS_LISTEN_PASSWORD go together")
	}
	if !hostname.IsLoopback(host) && c.ListenUser == "" {
		return fmt.Errorf("NATS_LISTEN %q can be reached from other machines: set NATS_LISTEN_USER and NATS_LISTEN_PASSWORD", c.Listen)
	}
	return nil
}

// servers returns the URLs of the external NATS. It fails with one error for each that is invalid.
func (c Config) servers() ([]*url.URL, error) {
	if c.Embedded() {
		return nil, nil
	}
	var urls []*url.URL
	var errs []error
	for raw := range strings.SplitSeq(c.URL.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(raw))
		switch {
		case err != nil || u.Host == "":
			errs = append(errs, errors.New("NATS_URL must be addresses such as nats://host:4222, separated by commas"))
		case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
			errs = append(errs, fmt.Errorf("NATS_URL: unknown scheme %q, use nats:// or tls://", u.Scheme))
		default:
			urls = append(urls, u)
		}
	}
	return urls, errors.Join(errs...)
}

// localWithoutCredentials reports whether all servers of the external NATS are on this machine and their URLs hold no
// credentials.
func (c Config) localWithoutCredentials() bool {
	urls, err := c.servers()
	return err == nil && !slices.ContainsFunc(urls, func(u *url.URL) bool {
		return u.User != nil || !hostname.IsLoopback(u.Hostname())
	})
}

// hosts returns the hosts and ports of the external NATS, without credentials.
func (c Config) hosts() string {
	urls, _ := c.servers()
	hosts := make([]string, len(urls))
	for i, u := range urls {
		hosts[i] = u.Host
	}
	return strings.Join(hosts, ",")
}

func splitListen(listen string) (host string, port int, err error) {
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return "", 0, fmt.Errorf("NATS_LISTEN must be host:port, not %q", listen)
	}
	host, _, _ = net.SplitHostPort(listen)
	if host == "" {
		host = "0.0.0.0"
	}
	return host, addr.Port, nil
}
