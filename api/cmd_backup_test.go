package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// command runs a command of the program in this process and returns its exit code and what it printed.
func command(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

// submitImages submits jobs until stop is closed and records the accepted ones.
func submitImages(t *testing.T, client *http.Client, url string, stop <-chan struct{}, accepted *sync.Map, count *atomic.Int64) {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-pace.C:
		}
		kind, input := "image", map[string]any{"prompt": fmt.Sprint("image ", n), "width": 64, "height": 64}
		if n%4 == 3 {
			kind, input = "prompt", map[string]any{"text": fmt.Sprint("text ", n)}
		}
		v, status, err := request(t.Context(), client, http.MethodPost, url+"/api/jobs", map[string]any{"kind": kind, "input": input})
		if err == nil && status == http.StatusAccepted {
			accepted.Store(v.ID, true)
			count.Add(1)
		}
	}
}

// getJob returns a job, and fails the test when there is none.
func getJob(t *testing.T, client *http.Client, url, id, query string) jobView {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	v, status, err := request(ctx, client, http.MethodGet, url+"/api/jobs/"+id+query, nil)
	if err != nil || status != http.StatusOK {
		t.Errorf("job %s: status %d, %v", id, status, err)
	}
	return v
}

// TestBackupUnderLoad makes backups through the API and through NATS while jobs are submitted and run, and restores each. Jobs
// that were accepted before the backup must end after the restore; jobs that had ended must be unchanged, including their
// media.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	const key = "an-operators-key"
	dir := t.TempDir()
	slots := []string{"WORKER_SLOTS_IMAGE=48", "WORKER_SLOTS_TEXT=48", "NATS_SYNC=1m"}
	p := startAPI(t, dir, append(slots, "ADMIN_KEY="+key, "NATS_LISTEN=127.0.0.1:0", "NATS_LISTEN_USER=u", "NATS_LISTEN_PASSWORD=p4ssword")...)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	var accepted sync.Map
	var count atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { submitImages(t, client, p.url, stop, &accepted, &count) })
	}
	defer wg.Wait()
	stopNow := sync.OnceFunc(func() { close(stop) })
	defer stopNow()
	sources := map[string][]string{
		"route": {"ADMIN_KEY=" + key, "API_URL=" + p.url},
		"nats":  {"NATS_URL=" + strings.Replace(p.nats, "nats://", "nats://u:p4ssword@", 1)},
	}
	type backupFile struct {
		path     string
		accepted []string
		ended    map[string]jobView
	}
	var backups []backupFile
	for name, environ := range sources {
		b := backupFile{path: filepath.Join(t.TempDir(), name+".backup"), ended: map[string]jobView{}}
		for limit, from := time.Now().Add(hang), count.Load(); count.Load() < from+60 || len(b.ended) < 15; {
			if time.Now().After(limit) {
				t.Fatalf("only %d jobs were accepted and %d ended: %s", count.Load(), len(b.ended), &p.stderr)
			}
			b.accepted = nil
			accepted.Range(func(id, _ any) bool {
				b.accepted = append(b.accepted, id.(string))
				return true
			})
			for _, id := range b.accepted {
				if _, known := b.ended[id]; known {
					continue
				}
				if v := getJob(t, client, p.url, id, ""); v.FinishedAt != "" {
					b.ended[id] = v
				}
			}
		}
		if code, out, errs := command(t, environ, "backup", b.path); code != 0 || !strings.Contains(out, "KV_RESULTS") {
			t.Fatalf("%s: exit %d: %s%s", name, code, out, errs)
		}
		if info, err := os.Stat(b.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		backups = append(backups, b)
	}
	stopNow()
	wg.Wait()
	p.kill()
	secret, err := os.ReadFile(filepath.Join(dir, "jwt_secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range backups {
		t.Logf("%s: %d accepted before it, of which %d had ended", filepath.Base(b.path), len(b.accepted), len(b.ended))
		target := t.TempDir()
		if err := os.WriteFile(filepath.Join(target, "jwt_secret"), secret, 0o600); err != nil {
			t.Fatal(err)
		}
		if code, out, errs := command(t, []string{"DATA_DIR=" + target}, "restore", b.path); code != 0 || strings.Contains(errs, "warning") {
			t.Fatalf("restore: exit %d: %s%s", code, out, errs)
		}
		r := startAPI(t, target, slots...)
		for _, id := range b.accepted {
			v := getJob(t, client, r.url, id, "?wait=60")
			for limit := time.Now().Add(hang); v.FinishedAt == "" && time.Now().Before(limit); {
				v = getJob(t, client, r.url, id, "?wait=60")
			}
			if v.Status != "succeeded" {
				t.Errorf("job %s: %+v", id, v)
			}
			for _, m := range v.Result.Media {
				checkDownload(t.Context(), t, client, r.url+m.URL, m.SHA256)
			}
			if was, ok := b.ended[id]; ok && (fmt.Sprint(was.Result) != fmt.Sprint(v.Result) || was.FinishedAt != v.FinishedAt) {
				t.Errorf("job %s had ended as %+v and is %+v", id, was, v)
			}
			if again := getJob(t, client, r.url, id, ""); again.FinishedAt != v.FinishedAt {
				t.Errorf("job %s ended twice: %+v, %+v", id, v, again)
			}
		}
		r.kill()
	}
}

// TestBackupCommands makes and verifies backups, and checks the errors of backup and restore.
func TestBackupCommands(t *testing.T) {
	t.Parallel()
	const key = "an-operators-key"
	dir := t.TempDir()
	p := startAPI(t, dir, "ADMIN_KEY="+key, "NATS_SYNC=1m")
	environ := []string{"ADMIN_KEY=" + key, "API_URL=" + p.url}
	path := filepath.Join(t.TempDir(), "a.backup")
	if code, _, errs := command(t, environ, "backup", path); code != 0 {
		t.Fatalf("backup: %s", errs)
	}
	_, piped, errs := command(t, environ, "backup", "-")
	if file := filepath.Join(t.TempDir(), "piped"); len(piped) == 0 || !strings.Contains(errs, "JOBS") {
		t.Errorf("to standard output: %d bytes, %s", len(piped), errs)
	} else if err := os.WriteFile(file, []byte(piped), 0o600); err != nil {
		t.Fatal(err)
	} else if code, out, errs := command(t, nil, "restore", "--dry-run", file); code != 0 || !strings.Contains(out, "KV_USERS") {
		t.Errorf("dry run: exit %d: %s%s", code, out, errs)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	truncated, flipped := filepath.Join(t.TempDir(), "truncated"), filepath.Join(t.TempDir(), "flipped")
	if err := os.WriteFile(truncated, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	if err := os.WriteFile(flipped, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	empty := "DATA_DIR=" + t.TempDir()
	for name, c := range map[string]struct {
		environ []string
		args    []string
		code    int
		stderr  string
	}{
		"file exists":      {environ, []string{"backup", path}, 1, "already exists"},
		"no file":          {environ, []string{"backup"}, 2, "name one file"},
		"no key":           {[]string{"API_URL=" + p.url}, []string{"backup", path + "2"}, 2, "ADMIN_KEY"},
		"wrong key":        {[]string{"API_URL=" + p.url, "ADMIN_KEY=wrong-key-here"}, []string{"backup", path + "2"}, 1, "admin_key"},
		"no such folder":   {environ, []string{"backup", filepath.Join(dir, "no", "such", "file")}, 1, "no such file"},
		"truncated":        {[]string{empty}, []string{"restore", truncated}, 1, "damaged or incomplete"},
		"flipped bit":      {[]string{empty}, []string{"restore", flipped}, 1, "damaged or incomplete"},
		"flipped, dry run": {nil, []string{"restore", "--dry-run", flipped}, 1, "damaged or incomplete"},
		"API is running":   {[]string{"DATA_DIR=" + dir}, []string{"restore", path}, 1, "in use by another process"},
		"nothing to discard": {
			[]string{"DATA_DIR=" + t.TempDir()}, []string{"restore", "--discard-unfinished", path}, 1, "no restore was interrupted",
		},
	} {
		code, out, errs := command(t, c.environ, c.args...)
		if code != c.code || !strings.Contains(errs, c.stderr) {
			t.Errorf("%s: exit %d, %s%s, want %d and %q", name, code, out, errs, c.code, c.stderr)
		}
	}
	if left, _ := filepath.Glob(path + "*partial"); left != nil {
		t.Errorf("left behind: %v", left)
	}
	p.kill()
	if code, _, errs := command(t, []string{"DATA_DIR=" + dir}, "restore", path); code != 1 || !strings.Contains(errs, "not empty: there are JOBS") {
		t.Errorf("into a store that is not empty: exit %d, %s", code, errs)
	}
	if code, out, errs := command(t, []string{empty}, "restore", path); code != 0 || !strings.Contains(errs, "another JWT_SECRET") {
		t.Errorf("restore with no secret: exit %d, %s%s", code, out, errs)
	}
}

// TestConcurrentBackupsToSameFile starts a second backup of a name while the first is being made: the second fails without touching
// what the first one writes.
func TestConcurrentBackupsToSameFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "one.backup")
	refused := errors.New("one backup at a time")
	_, err := writeBackup(t.Context(), func(context.Context) (io.ReadCloser, error) {
		before, _ := filepath.Glob(path + "*.partial")
		if _, err := writeBackup(t.Context(), func(context.Context) (io.ReadCloser, error) { return nil, refused }, path); !errors.Is(err, refused) {
			t.Errorf("the second: %v", err)
		}
		if after, _ := filepath.Glob(path + "*.partial"); len(before) != 1 || !slices.Equal(before, after) {
			t.Errorf("files of the first: %v, then %v", before, after)
		}
		return nil, refused
	}, path)
	if left, _ := filepath.Glob(path + "*"); !errors.Is(err, refused) || left != nil {
		t.Errorf("%v, left behind: %v", err, left)
	}
}
