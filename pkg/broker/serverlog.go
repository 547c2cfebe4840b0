package broker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// serverLog logs the lines of the embedded server. Its notices are logged at the debug level.
type serverLog struct {
	log *slog.Logger
	// fatal is the first fatal line.
	fatal atomic.Pointer[string]
	mu    sync.Mutex
	// logged is when each line was last logged.
	logged map[string]time.Time
	// writeFailed, if not nil, is called with the line of a failed write to the disk.
	writeFailed func(line string)
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.logLine(slog.LevelWarn, fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	// Only this line reports that the server froze a stream because it could not remove a message.
	if l.writeFailed != nil && strings.Contains(line, "ritical write error") {
		l.writeFailed(line)
	}
	l.logLine(slog.LevelError, line)
}

// logLine logs a line; repetitions within repeatAfter are logged at the debug level. A full disk, for example, is reported
// on every write.
func (l *serverLog) logLine(level slog.Level, line string) {
	l.mu.Lock()
	now := time.Now()
	if last, ok := l.logged[line]; ok && now.Sub(last) < repeatAfter {
		level = slog.LevelDebug
	} else {
		maps.DeleteFunc(l.logged, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatAfter })
		if l.logged == nil || len(l.logged) >= maxLogged {
			l.logged = make(map[string]time.Time)
		}
		l.logged[line] = now
	}
	l.mu.Unlock()
	l.log.Log(context.Background(), level, "nats server", "line", line)
}

const (
	repeatAfter = 10 * time.Minute
	// maxLogged bounds how many lines are remembered.
	maxLogged = 100
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
