package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestLoggerLevels(t *testing.T) {
	t.Parallel()
	levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	for level, lines := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1, "ERROR": 1} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log, err := telemetry.NewLogger(&out, level)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range levels {
				log.Log(t.Context(), l, "message")
			}
			if got := strings.Count(out.String(), "\n"); got != lines {
				t.Errorf("got %d lines, want %d", got, lines)
			}
		})
	}
	for _, level := range []string{"", "verbose", "error+1", "4"} {
		_, err := telemetry.NewLogger(&bytes.Buffer{}, level)
		var fault *env.Fault
		if !errors.As(err, &fault) || fault.Name != "LOG_LEVEL" {
			t.Errorf("level %q: got %v, want an error of LOG_LEVEL", level, err)
		}
	}
}

func TestLoggerAddsIDs(t *testing.T) {
	t.Parallel()
	both := telemetry.WithJobID(telemetry.WithRequestID(context.Background(), "r1"), "j1")
	derive := func(f func(*slog.Logger) *slog.Logger) func(*slog.Logger) *slog.Logger { return f }
	tests := map[string]struct {
		ctx    context.Context
		derive func(*slog.Logger) *slog.Logger
		want   string
	}{
		"none":    {context.Background(), nil, `{"n":1}`},
		"request": {telemetry.WithRequestID(context.Background(), "r1"), nil, `{"n":1,"request_id":"r1"}`},
		"job":     {telemetry.WithJobID(context.Background(), "j1"), nil, `{"n":1,"job_id":"j1"}`},
		"both":    {both, nil, `{"n":1,"request_id":"r1","job_id":"j1"}`},
		"empty":   {telemetry.WithRequestID(context.Background(), ""), nil, `{"n":1}`},
		"with": {both, derive(func(l *slog.Logger) *slog.Logger {
			return l.With("a", 1)
		}), `{"a":1,"n":1,"request_id":"r1","job_id":"j1"}`},
		"group": {both, derive(func(l *slog.Logger) *slog.Logger {
			return l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h")
		}), `{"a":1,"request_id":"r1","job_id":"j1","g":{"b":2,"h":{"n":1}}}`},
		"group without ids": {context.Background(), derive(func(l *slog.Logger) *slog.Logger {
			return l.WithGroup("g").WithGroup("")
		}), `{"g":{"n":1}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log, err := telemetry.NewLogger(&out, "info")
			if err != nil {
				t.Fatal(err)
			}
			if test.derive != nil {
				log = test.derive(log)
			}
			log.InfoContext(test.ctx, "message", "n", 1)
			got, want := decode(t, out.String()), decode(t, test.want)
			for _, key := range []string{"time", "level", "msg"} {
				if got[key] == nil {
					t.Errorf("no %s in %s", key, out.String())
				}
				delete(got, key)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func decode(t *testing.T, line string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		t.Fatalf("decode %q: %v", line, err)
	}
	return object
}

func TestLoggerEscapesLineBreaks(t *testing.T) {
	t.Parallel()
	const forged = "x\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\u2028\x00"
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	ctx := telemetry.WithJobID(telemetry.WithRequestID(t.Context(), forged), forged)
	//nolint:sloglint // The invalid key is what is tested.
	log.With(slog.Group(forged, forged, forged)).InfoContext(ctx, forged, "error", errors.New(forged), "key", env.Secret("planted"))
	if strings.Count(out.String(), "\n") != 1 || strings.ContainsAny(out.String(), "\r\u2028\x00") {
		t.Errorf("a line was forged: %q", out.String())
	}
	if strings.Contains(out.String(), "planted") {
		t.Errorf("a secret was logged: %q", out.String())
	}
	if got := decode(t, out.String())["request_id"]; got != forged {
		t.Errorf("request_id is %q", got)
	}
}

func TestContextIDs(t *testing.T) {
	t.Parallel()
	if r, j := telemetry.RequestID(context.Background()), telemetry.JobID(context.Background()); r != "" || j != "" {
		t.Errorf("got %q and %q without ids", r, j)
	}
	ctx := telemetry.WithJobID(telemetry.WithRequestID(context.Background(), "r"), "j")
	if r, j := telemetry.RequestID(ctx), telemetry.JobID(ctx); r != "r" || j != "j" {
		t.Errorf("got %q and %q", r, j)
	}
}
