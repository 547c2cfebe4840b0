package env_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestTable(t *testing.T) {
	t.Parallel()
	type documented struct {
		Addr    string        `env:"ADDR" doc:"Where it listens."`
		Max     int           `env:"FETCH_MAX" envDefault:"8" alias:"MAX_ATTEMPTS" doc:"Attempts in all."`
		Key     env.Secret    `env:"KEY,required" doc:"The key."`
		Origins []string      `env:"ORIGINS"`
		Delay   time.Duration `env:"DELAY_MS"`
		Wait    time.Duration `env:"WAIT"`
	}
	preset := documented{Addr: ":1", Key: "planted", Origins: []string{"a", "b"}, Delay: 1500 * time.Millisecond, Wait: time.Minute}
	got, err := env.Table(&preset, struct {
		Inner struct {
			Text string `env:"TEXT"`
		}
		Left    string `env:"-"`
		LeftToo func() `env:"-"`
	}{})
	if err != nil {
		t.Fatalf("Table: %v", err)
	}
	want := []env.Setting{
		{Name: "ADDR", Default: ":1", Doc: "Where it listens."},
		{Name: "FETCH_MAX", Default: "8", Doc: "Attempts in all.", Aliases: []string{"MAX_ATTEMPTS"}},
		{Name: "KEY", Doc: "The key.", Secret: true, Required: true},
		{Name: "ORIGINS", Default: "a,b"},
		{Name: "DELAY_MS", Default: "1500"},
		{Name: "WAIT", Default: "1m0s"},
		{Name: "TEXT"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTableRejectsSharedNames(t *testing.T) {
	t.Parallel()
	type owner struct {
		Text string `env:"TEXT"`
	}
	tests := map[string]any{
		"same name": struct {
			Other string `env:"TEXT"`
		}{},
		"alias": struct {
			Other string `env:"OTHER" alias:"TEXT"`
		}{},
		"file of the other": struct {
			Other string `env:"TEXT_FILE"`
		}{},
	}
	for name, other := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := env.Table(owner{}, other); err == nil || !strings.Contains(err.Error(), "TEXT") {
				t.Errorf("got %v, want an error that names TEXT", err)
			}
		})
	}
	if _, err := env.Table(7); err == nil {
		t.Error("a number was accepted as a struct")
	}
}
