package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// TestSettingsGuide holds the table of settings against the structs that read them.
func TestSettingsGuide(t *testing.T) {
	t.Parallel()
	cfg := app.Default()
	programs, err := env.Table(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	health, err := env.Table(&healthConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var guide bytes.Buffer
	guide.WriteString(`# Settings

Settings are environment variables, read once at the start; every fault is reported at once, by name. A variable with
` + "`_FILE`" + ` behind its name holds the path of a file with the value, as secrets are mounted. This table is generated from
the program by ` + "`go test ./api -run SettingsGuide -update`" + `.

## The programs api and worker

A worker reads those about NATS, upstreams, slots, retries, logs and metrics; its METRICS_ADDR is 127.0.0.1:9092 by default.

`)
	table(&guide, programs)
	guide.WriteString("\n## The command api health\n\n")
	table(&guide, health)
	operators, err := env.Table(&operatorConfig{})
	if err != nil {
		t.Fatal(err)
	}
	guide.WriteString("\n## The command api dead\n\n")
	table(&guide, operators)
	const path = "../deploy/settings.md"
	if *update {
		if err := os.WriteFile(path, guide.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, guide.Bytes()) {
		t.Error("deploy/settings.md is not what the program reads; run go test ./api -run SettingsGuide -update")
	}
	for _, s := range slices.Concat(programs, health, operators) {
		if s.Doc == "" {
			t.Errorf("%s has no meaning", s.Name)
		}
	}
}

func table(w *bytes.Buffer, settings []env.Setting) {
	w.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, s := range settings {
		name := "`" + s.Name + "`"
		for _, alias := range s.Aliases {
			name += ", `" + alias + "`"
		}
		value := "empty"
		if s.Default != "" {
			value = "`" + s.Default + "`"
		}
		_, _ = fmt.Fprintf(w, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(s.Doc, "|", `\|`))
	}
}
