package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	for _, want := range []string{"1 accounts imported, 0 already present, 1 other entries ignored, 1 skipped", "0 accounts imported, 1 already present"} {
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

// TestImportFeedback imports both stores with one command, and feedback again by itself. The files are as tools write
// them that mark their texts and say the key twice.
func TestImportFeedback(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users.json", "\ufeff"+`[{"name":"ann@example.org","key":"ann@example.org","value":"{\"id\":\"1a\",\"email\":\"ann@example.org\",\"passwordHash\":\"`+strings.Repeat("ab", 32)+`\",\"salt\":\"cd\",\"isActive\":true}"}]`)
	feedback := write("feedback.json", "\ufeff"+`[
		{"name":"feedback_1a_1746515289123","key":"feedback_1a_1746515289123","value":"{\"userId\":\"1a\",\"email\":\"ann@example.org\",\"category\":\"bug\",\"content\":\"canary\",\"status\":\"processed\"}"},
		{"name":"user_feedback:1a","value":"[]"},
		{"name":"feedback_canary_1746515289123","value":{"content":"canary"}}
	]`)
	environ := []string{"DATA_DIR=" + filepath.Join(dir, "data"), "NATS_SYNC=1m"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--feedback", feedback}, "0 feedback entries imported, 0 already present, 1 other entries ignored, 2 skipped\n  entry 1: its user has no account here\n  entry"},
		{[]string{"--feedback", feedback, "--users", users}, "1 accounts imported, 0 already present, 0 other entries ignored, 0 skipped\n1 feedback entries imported, 0 already"},
		{[]string{"--users", users, "--feedback", feedback}, "0 accounts imported, 1 already present, 0 other entries ignored, 0 skipped\n0 feedback entries imported, 1 already"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"import"}, c.args...), environ, &out, &errs); code != 0 {
			t.Fatalf("%v: exit %d: %s", c.args, code, errs.String())
		}
		if !strings.HasPrefix(out.String(), c.want) || !strings.HasSuffix(out.String(), "  entry 3: its user has no account here\n") || strings.Contains(out.String()+errs.String(), "canary") {
			t.Errorf("%v: %s%s", c.args, out.String(), errs.String())
		}
	}
	// Nothing is imported when one of the files cannot be read.
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"import", "--users", users, "--feedback", filepath.Join(dir, "none")}, environ, &out, &errs); code != exitFailure || out.Len() > 0 {
		t.Errorf("exit %d, %s", code, out.String())
	}
}

// TestImportImages imports pictures of accounts that come with the same command.
func TestImportImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	users := write("users.json", `[{"name":"ann@example.org","value":"{\"id\":\"1a\",\"email\":\"ann@example.org\",\"passwordHash\":\"ab\",\"salt\":\"cd\",\"isActive\":true}"}]`)
	now := time.Now().UTC()
	image := func(age time.Duration, data string) string {
		created := now.Add(-age)
		return fmt.Sprintf(`{"id":"hd_%d","prompt":"canary","data":%q,"seed":7,"created_at":%q}`, created.UnixMilli(), data, created.Format(time.RFC3339Nano))
	}
	const webp = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
	images := write("images.json", fmt.Sprintf(`[{"name":"hd_images:1a:%[1]s","key":"hd_images:1a:%[1]s","value":[%[2]s,%[3]s,%[4]s]},{"name":"x","value":1},{"name":"hd_images:canary:x","value":"[]"}]`,
		now.Format(time.DateOnly), image(time.Minute, webp), image(25*time.Hour, webp), image(time.Minute, "canary!")))
	environ := []string{"DATA_DIR=" + filepath.Join(dir, "data"), "NATS_SYNC=1m"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--images", images}, "0 images imported, 0 already present, 1 other entries ignored, 2 skipped\n  entry 1: its user has no account here\n  entry 3: its user has no account here\n"},
		{[]string{"--images", images, "--users", users}, "1 images imported, 0 already present, 1 other entries ignored, 2 skipped\n1 more have expired\n  entry 1: image 3: the data is not base64\n  entry 3: its user has no account here\n"},
		{[]string{"--images", images}, "0 images imported, 1 already present, 1 other entries ignored, 2 skipped\n1 more have expired\n"},
	} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"import"}, c.args...), environ, &out, &errs); code != 0 {
			t.Fatalf("%v: exit %d: %s", c.args, code, errs.String())
		}
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String()+errs.String(), "canary") {
			t.Errorf("%v: %s%s", c.args, out.String(), errs.String())
		}
	}
}
