package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

// storeDir is the directory of the embedded server in DATA_DIR.
const storeDir = "nats"

// ErrInUse is returned when another process holds the data directory.
var ErrInUse = errors.New("the data directory is in use by another process")

// readyTimeout bounds the start of the embedded server; a large store takes seconds to read.
const (
	readyTimeout = 2 * time.Minute
	readyStep    = 200 * time.Millisecond
)

// embedded is a NATS server in this process. It can be restarted on the same directory while clients are connected: they
// reconnect.
type embedded struct {
	cfg   Config
	log   *slog.Logger
	lock  *flock.Flock
	store *filestore.Store
	lines *serverLog
	// srv is nil while no server runs.
	srv atomic.Pointer[server.Server]
	// port and maxStore are those of the first server; a restart keeps them.
	port     int
	maxStore int64
	// recovered is the result of the recovery of the store at the start.
	recovered *filestore.Result
	// noGroupCommit is why NATS syncs every write although NATS_SYNC is always; empty with group commit.
	noGroupCommit string
	// commits are the group commits of the server that runs; nil when it has none.
	commits atomic.Pointer[commits]
}

// startEmbedded locks the data directory, checks the store in it and starts a server on it, which calls writeFailed when
// a write to the disk fails. It fails with ErrInUse, and changes nothing, when another process holds the directory, and with
// a *filestore.DamageError when starting would lose data.
func startEmbedded(cfg Config, log *slog.Logger, writeFailed func(line string)) (*embedded, error) {
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	e := &embedded{
		cfg: cfg, log: log, lock: lock, store: filestore.New(cfg.DataDir, storedStreams()),
		lines: &serverLog{log: log, writeFailed: writeFailed}, maxStore: int64(cfg.MaxStoreMB) << 20,
	}
	if e.recovered, err = e.store.Recover(filestore.Options{AcceptLoss: cfg.DataLoss == lossAccept, Defer: cfg.deferVerification}); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	if !cfg.hooks.GroupCommit && !filestore.OrdersRenames(cfg.DataDir) {
		e.noGroupCommit = "the file system of DATA_DIR is not known to order renames behind data"
	}
	if err := e.start(); err != nil {
		e.stop(nil)
		return nil, err
	}
	return e, nil
}

// start starts a server on the directory and waits until it accepts connections.
func (e *embedded) start() error {
	opts, err := e.options()
	if err != nil {
		return err
	}
	var group *commits
	if opts.ServerName == groupCommitName {
		// The process before this one may have been killed with writes that are not on disk yet.
		if err := e.syncAll(); err != nil {
			return err
		}
		group = newCommits(e)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("configure embedded NATS: %w", err)
	}
	e.lines.fatal.Store(nil)
	srv.SetLoggerV2(e.lines, false, false, false)
	srv.Start()
	if err := awaitReady(srv, e.lines); err != nil {
		shutdown(srv)
		return err
	}
	if err := e.store.Started(); err != nil {
		shutdown(srv)
		return err
	}
	if addr, ok := srv.Addr().(*net.TCPAddr); ok {
		e.port = addr.Port
	}
	if config := srv.JetStreamConfig(); config != nil {
		e.maxStore = config.MaxStore
	}
	e.commits.Store(group)
	e.srv.Store(srv)
	return nil
}

// syncAll makes durable what is in the store now.
func (e *embedded) syncAll() error { return e.store.SyncAll(e.synced("")) }

// synced returns what reports the fsyncs of a stream to those who observe them.
func (e *embedded) synced(stream string) filestore.Synced {
	return func(path string, bytes int64, took time.Duration) {
		for _, o := range []SyncObserver{e.cfg.SyncObserver, e.cfg.hooks.SyncObserver} {
			if o != nil {
				o.ObserveSync(stream, path, bytes, took)
			}
		}
	}
}

// stopServer stops the server and leaves the directory locked.
func (e *embedded) stopServer() {
	if srv := e.srv.Swap(nil); srv != nil {
		shutdown(srv)
	}
}

// restartServer starts a new server after stopServer. It fails with a *filestore.DamageError when the store is damaged. After
// an error no server runs, and restartServer may be called again.
func (e *embedded) restartServer() (*filestore.Result, error) {
	if err := e.store.ForgetStop(); err != nil {
		return nil, err
	}
	result, err := e.store.Recover(filestore.Options{})
	if err != nil {
		return nil, err
	}
	return result, e.start()
}

// stop stops the server and unlocks the directory. Unless fault reports an error after that, it records the state of the
// store for the next start.
func (e *embedded) stop(fault func() error) {
	ran := e.srv.Load() != nil
	e.stopServer()
	if ran && fault != nil && fault() == nil {
		// The record must not describe more than a power failure leaves.
		sync := e.syncAll
		if e.cfg.hooks.NoStopSync && e.cfg.Sync != syncAlways {
			sync = e.store.AssumeSynced
		}
		err := sync()
		if err == nil {
			err = e.store.RecordStop()
		}
		if err != nil {
			e.log.Error("cannot record the state of the store; the next start checks less", "error", err)
		}
	}
	_ = e.lock.Unlock()
}

// InProcessConn returns a connection to the server that runs now. It fails while none runs.
func (e *embedded) InProcessConn() (net.Conn, error) {
	srv := e.srv.Load()
	if srv == nil {
		return nil, errors.New("the embedded NATS is being restarted")
	}
	return srv.InProcessConn()
}

// serverID returns the ID of the server that runs now, which each start changes; empty while none runs.
func (e *embedded) serverID() string {
	if srv := e.srv.Load(); srv != nil {
		return srv.ID()
	}
	return ""
}

// clientURL returns the URL for clients in other processes.
func (e *embedded) clientURL() string {
	if srv := e.srv.Load(); srv != nil {
		return srv.ClientURL()
	}
	return ""
}

func shutdown(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// awaitReady waits until the server accepts connections. A server that cannot start, for example because its port is in use,
// only logs that; awaitReady then returns the log line as an error.
func awaitReady(srv *server.Server, lines *serverLog) error {
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); {
		if srv.ReadyForConnections(readyStep) {
			return nil
		}
		if reason := lines.fatal.Load(); reason != nil {
			if _, at, ok := strings.Cut(*reason, "Error listening on port: "); ok {
				return fmt.Errorf("start embedded NATS: listen on NATS_LISTEN: %s", at)
			}
			return fmt.Errorf("start embedded NATS: %s", *reason)
		}
	}
	return errors.New("embedded NATS did not become ready; see its log lines")
}

func (e *embedded) options() (*server.Options, error) {
	always, interval, err := e.cfg.syncSetting()
	if err != nil {
		return nil, err
	}
	name := serverName
	if always && e.noGroupCommit == "" {
		always, interval, name = false, groupCommitInterval, groupCommitName
	}
	opts := &server.Options{
		ServerName: name,
		JetStream:  true,
		// 0 lets the server use a share of the free space.
		JetStreamMaxStore: e.maxStore,
		StoreDir:          filepath.Join(e.cfg.DataDir, storeDir),
		SyncAlways:        always,
		SyncInterval:      interval,
		NoSigs:            true,
		DontListen:        true,
		// Every message of a job has a subject of its own, which the cache would never have.
		NoSublistCache:  true,
		JetStreamLimits: server.JSLimitOpts{MaxBatchInflightPerStream: e.cfg.hooks.MaxBatches},
	}
	if e.cfg.Listen != "" {
		host, port, err := splitListen(e.cfg.Listen)
		if err != nil {
			return nil, err
		}
		if e.port != 0 {
			port = e.port
		}
		if port == 0 {
			port = server.RANDOM_PORT
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
		if err := e.cfg.authorize(opts); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

// lockDir creates the directory and locks it; the lock file contains the ID of the process that holds it. The modification
// time of the file is kept: it shows whether a version without the records of package filestore has opened the store.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create DATA_DIR: %w", err)
	}
	path := filepath.Join(dir, "lock")
	lock := flock.New(path, flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock DATA_DIR: %w", err)
	}
	if !ok {
		holder, _ := os.ReadFile(path) //nolint:gosec // The path is the operator's own DATA_DIR.
		return nil, fmt.Errorf("%w: %s (process %s)", ErrInUse, dir, strings.TrimSpace(string(holder)))
	}
	if err := writeHolder(path); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock of DATA_DIR: %w", err), lock.Unlock())
	}
	return lock, nil
}

func writeHolder(path string) error {
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, before.ModTime(), before.ModTime())
}
