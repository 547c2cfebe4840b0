package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImportCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	export := filepath.Join(dir, "users.json")
	const users = `[
		{"name":"ann@example.org","value":"{\"id\":\"1a\",\"username\":\"Ann\",\"email\":\"ann@example.org\",\"passwordHash\":\"ab\",\"salt\":\"cd\",\"createdAt\":\"2024-05-06T07:08:09.123Z\",\"isActive\":true}"},
		{"name":"RATE_LIMIT:guest:1","value":"3"},
		{"name":"canary@example.org","value":"{}"}
	]`
	if err := os.WriteFile(export, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"DATA_DIR=" + filepath.Join(dir, "data"), "NATS_SYNC=1m"}
	for _, want := range []string{"1 accounts imported, 0 were there already, 1 other entries passed over, 1 skipped", "0 accounts imported, 1 were there already"} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"import", "--users", export}, environ, &out, &errs); code != 0 {
			t.Fatalf("exit %d: %s", code, errs.String())
		}
		if !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "entry 3: it has no id") || strings.Contains(out.String()+errs.String(), "@") {
			t.Errorf("want %s, got %s%s", want, out.String(), errs.String())
		}
	}
	for _, args := range [][]string{{"import"}, {"import", "--users"}, {"import", "--users", export, "x"}, {"import", "--odd"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, environ, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), "usage: api import") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
	for _, args := range [][]string{{"import", "--users", filepath.Join(dir, "none")}, {"import", "--users", dir}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, environ, &out, &errs); code != exitFailure || !strings.Contains(errs.String(), "api import: ") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}
