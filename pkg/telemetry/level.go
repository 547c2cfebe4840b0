package telemetry

import (
	"log/slog"
	"strings"
)

// Level is the least severity that a process logs. It begins with that of LOG_LEVEL and can be changed while the process
// runs. It is safe for concurrent use.
type Level struct {
	current slog.LevelVar
	initial slog.Level
}

// NewLevel returns a level. It fails with a fault of LOG_LEVEL when the name is none of error, warn, info and debug.
func NewLevel(name string) (*Level, error) {
	initial, err := parseLevel(name)
	if err != nil {
		return nil, err
	}
	l := &Level{initial: initial}
	l.current.Set(initial)
	return l, nil
}

// Level returns the severity in force. It makes a Level a slog.Leveler.
func (l *Level) Level() slog.Level { return l.current.Level() }

// String returns the name of the severity in force.
func (l *Level) String() string { return levelName(l.Level()) }

// Initial returns the name of the severity that LOG_LEVEL has set.
func (l *Level) Initial() string { return levelName(l.initial) }

// Set changes the severity; an empty name goes back to that of LOG_LEVEL. It fails when the name is none of error, warn,
// info and debug.
func (l *Level) Set(name string) error {
	if name == "" {
		l.current.Set(l.initial)
		return nil
	}
	level, err := parseLevel(name)
	if err != nil {
		return err
	}
	l.current.Set(level)
	return nil
}

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }
