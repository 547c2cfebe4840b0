package broker

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// Config says which NATS to use and how to keep what lies in it.
type Config struct {
	DataDir string `env:"DATA_DIR" envDefault:"./data" doc:"Directory of the embedded NATS store, the generated secret and the lock."`

	// URL may carry a password, hence its type.
	URL   env.Secret `env:"NATS_URL" doc:"Addresses of an external NATS, separated by commas; if empty, an embedded one is started."`
	Creds string     `env:"NATS_CREDS" doc:"Credentials file for the external NATS: a JWT with its seed, or an nkey seed such as nats_worker.nk. Without credentials, a worker uses nats_worker.nk in DATA_DIR if NATS is on the same machine."`

	Listen         string     `env:"NATS_LISTEN" doc:"Address on which the embedded NATS accepts separate worker processes; no port is opened if empty. A non-loopback address requires NATS_LISTEN_USER and NATS_LISTEN_PASSWORD. Without them, workers authenticate with the key in DATA_DIR/nats_worker.nk, which is generated at the first start."`
	ListenUser     string     `env:"NATS_LISTEN_USER" doc:"User name that the embedded NATS requires."`
	ListenPassword env.Secret `env:"NATS_LISTEN_PASSWORD" doc:"Password that the embedded NATS requires."`

	Sync       string `env:"NATS_SYNC" envDefault:"always" doc:"When the embedded NATS syncs to the disk: always, that is on every write, or at an interval such as 1s, whose data a power failure may lose."`
	MaxStoreMB int    `env:"NATS_MAX_STORE_MB" doc:"Megabytes that the embedded NATS may store; 0 means three quarters of the disk space that is free at startup. When the store is full, submissions are rejected until data expires or is deleted."`
	DataLoss   string `env:"DATA_LOSS" envDefault:"refuse" doc:"What to do when the store in DATA_DIR is so damaged that data is lost: refuse, which does not start, or accept, which moves the damaged files to DATA_DIR/damaged and continues with the rest. Set accept for a single start only."`
	Replicas   int    `env:"NATS_REPLICAS" envDefault:"1" doc:"Replicas of every stream: 1, 3 or 5."`

	ResultTTL     time.Duration `env:"RESULT_TTL" envDefault:"24h" doc:"How long results and media are kept; at least 24h."`
	MaxQueuedJobs int           `env:"MAX_QUEUED_JOBS" envDefault:"100000" doc:"Jobs that may be queued or running in total; 0 means no limit."`

	// Observer, if not nil, receives every publish to a stream.
	Observer WriteObserver `env:"-"`

	// Follower is set by workers: they create what they need and does not exist, and change nothing that exists.
	Follower bool `env:"-"`
	// OpenPort is for tests: the port of the embedded server requires no credentials.
	OpenPort bool `env:"-"`
	// serverKeys are the keys of the embedded server's users; nil when it requires none.
	serverKeys *serverKeys
	// AckWait is how long a worker may be silent about a job before the job is redelivered. Tests shorten it.
	AckWait time.Duration `env:"-"`
	// ReconcileInterval is how often the broker checks, without a trigger, whether NATS still has everything; 10 s when 0.
	ReconcileInterval time.Duration `env:"-"`

	// remindEvery is how often a process that waits for NATS at its start logs that.
	remindEvery time.Duration
}

// DefaultAckWait is the AckWait of every real installation; workers report every third of it.
const DefaultAckWait = 15 * time.Second

const (
	minResultTTL       = 24 * time.Hour
	defaultRemindEvery = 30 * time.Second
)

// Embedded reports whether NATS runs inside this process.
func (c Config) Embedded() bool { return c.URL == "" }

// withDefaults sets the defaults of fields that no variable sets.
func (c Config) withDefaults() Config {
	if c.AckWait == 0 {
		c.AckWait = DefaultAckWait
	}
	if c.ReconcileInterval == 0 {
		c.ReconcileInterval = reconcileInterval
	}
	if c.remindEvery == 0 {
		c.remindEvery = defaultRemindEvery
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.Sync == "" {
		c.Sync = syncAlways
	}
	if c.DataLoss == "" {
		c.DataLoss = lossRefuse
	}
	if c.ResultTTL == 0 {
		c.ResultTTL = minResultTTL
	}
	return c
}

// Validate reports every fault at once, each by the name of its variable.
func (c Config) Validate() error {
	var errs []error
	if c.Embedded() && strings.TrimSpace(c.DataDir) == "" {
		errs = append(errs, errors.New("DATA_DIR must name a directory"))
	}
	for _, raw := range strings.Split(c.URL.Reveal(), ",") {
		if c.URL == "" {
			break
		}
		if err := checkURL(strings.TrimSpace(raw)); err != nil {
			errs = append(errs, err)
		}
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

// syncSetting returns whether every write goes through to the disk at once, or else how often.
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

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return errors.New("NATS_URL must be addresses such as nats://host:4222, separated by commas")
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return nil
	}
	return fmt.Errorf("NATS_URL: unknown scheme %q, use nats:// or tls://", u.Scheme)
}

// localWithoutCredentials reports whether every address of the external NATS is on this machine and holds no credentials.
func (c Config) localWithoutCredentials() bool {
	for raw := range strings.SplitSeq(c.URL.Reveal(), ",") {
		u, err := url.Parse(strings.TrimSpace(raw))
		if err != nil || u.User != nil || !hostname.IsLoopback(u.Hostname()) {
			return false
		}
	}
	return true
}

// hosts returns the addresses of the external NATS without whatever else stands in them.
func (c Config) hosts() string {
	var hosts []string
	for raw := range strings.SplitSeq(c.URL.Reveal(), ",") {
		if u, err := url.Parse(strings.TrimSpace(raw)); err == nil {
			hosts = append(hosts, u.Host)
		}
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
