package telemetry

import (
	"log/slog"
	"strings"
)

// Level is the lowest level that a process logs. It starts as LOG_LEVEL and can be changed while the process runs. It is
// safe for concurrent use.
type Level struct {
	current slog.LevelVar
	initial slog.Level
}

// NewLevel returns a Level. It fails, naming LOG_LEVEL, unless name is error, warn, info or debug.
func NewLevel(name string) (*Level, error) {
	initial, err := parseLevel(name)
	if err != nil {
		return nil, err
	}
	l := &Level{initial: initial}
	l.current.Set(initial)
	return l, nil
}

// Level returns the current level. It implements slog.Leveler.
func (l *Level) Level() slog.Level { return l.current.Level() }

// String returns the name of the current level.
func (l *Level) String() string { return levelName(l.Level()) }

// Initial returns the name of the level that LOG_LEVEL sets.
func (l *Level) Initial() string { return levelName(l.initial) }

// Set changes the level; an empty name restores that of LOG_LEVEL. It fails unless name is empty or error, warn, info or
// debug.
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
