package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

// ErrInUse is returned when another process holds the data directory.
var ErrInUse = errors.New("the data directory is in use by another process")

// readyTimeout bounds the start of the embedded server; a large store takes seconds to read.
const (
	readyTimeout = 2 * time.Minute
	readyStep    = 200 * time.Millisecond
)

// embedded is a NATS server inside this process.
type embedded struct {
	srv  *server.Server
	lock *flock.Flock
}

// startEmbedded locks the data directory and starts a server on it. It fails with ErrInUse when another process has
// the directory, which it then leaves alone.
func startEmbedded(cfg Config, log *slog.Logger) (*embedded, error) {
	lock, err := lockDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	opts, err := serverOptions(cfg)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("configure embedded NATS: %w", err), lock.Unlock())
	}
	lines := &serverLog{log: log}
	srv.SetLoggerV2(lines, false, false, false)
	e := &embedded{srv: srv, lock: lock}
	srv.Start()
	if err := awaitReady(srv, lines); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// awaitReady waits until the server takes connections. A server that cannot start, on a port that is taken among
// others, only logs so and stays as it is; that line ends the wait.
func awaitReady(srv *server.Server, lines *serverLog) error {
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); {
		if srv.ReadyForConnections(readyStep) {
			return nil
		}
		if reason := lines.fatal.Load(); reason != nil {
			return fmt.Errorf("start embedded NATS: %s", *reason)
		}
	}
	return errors.New("embedded NATS did not become ready; its log lines say why")
}

func (e *embedded) stop() {
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	_ = e.lock.Unlock()
}

func serverOptions(cfg Config) (*server.Options, error) {
	always, interval, err := cfg.syncSetting()
	if err != nil {
		return nil, err
	}
	opts := &server.Options{
		ServerName: "text2image-audio",
		JetStream:  true,
		// None means that the server takes a share of what is free.
		JetStreamMaxStore: int64(cfg.MaxStoreMB) << 20,
		StoreDir:          filepath.Join(cfg.DataDir, "nats"),
		SyncAlways:        always,
		SyncInterval:      interval,
		NoSigs:            true,
		DontListen:        true,
	}
	if cfg.Listen != "" {
		host, port, err := splitListen(cfg.Listen)
		if err != nil {
			return nil, err
		}
		if port == 0 {
			port = server.RANDOM_PORT
		}
		opts.DontListen, opts.Host, opts.Port = false, host, port
		opts.Username, opts.Password = cfg.ListenUser, cfg.ListenPassword.Reveal()
	}
	return opts, nil
}

// lockDir makes the directory and takes its lock; the lock's file names the process that holds it.
func lockDir(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make DATA_DIR: %w", err)
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
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock of DATA_DIR: %w", err), lock.Unlock())
	}
	return lock, nil
}

// serverLog passes the embedded server's lines on; its notices are of no interest to an operator by default.
type serverLog struct {
	log *slog.Logger
	// fatal is the first line after which the server cannot go on.
	fatal atomic.Pointer[string]
	mu    sync.Mutex
	// said is when which line was logged last.
	said map[string]time.Time
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.say(slog.LevelWarn, fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.say(slog.LevelError, fmt.Sprintf(format, v...))
}

// say logs a line; the same line again within repeatAfter is of no interest. A disk that is full, for one, is reported
// with every write.
func (l *serverLog) say(level slog.Level, line string) {
	l.mu.Lock()
	now := time.Now()
	if said, ok := l.said[line]; ok && now.Sub(said) < repeatAfter {
		level = slog.LevelDebug
	} else {
		maps.DeleteFunc(l.said, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatAfter })
		if l.said == nil || len(l.said) >= maxSaid {
			l.said = make(map[string]time.Time)
		}
		l.said[line] = now
	}
	l.mu.Unlock()
	l.log.Log(context.Background(), level, "nats server", "line", line)
}

const (
	repeatAfter = 10 * time.Minute
	// maxSaid bounds how many lines are remembered.
	maxSaid = 100
)

func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &line)
	l.log.Error("nats server", "line", line)
}

func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}

func (l *serverLog) Tracef(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}
