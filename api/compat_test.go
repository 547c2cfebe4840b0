//go:build compat

// The tests of this file build the previous release from the history of the repository, and run it beside this version and on
// the same data. `make compat` runs them.

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// releaseBefore returns the source of the release whose commit is in deploy/release-before. Without the history of the
// repository it skips the test, or fails it in CI.
func releaseBefore(t *testing.T) (dir, commit string) {
	t.Helper()
	data, err := os.ReadFile("../deploy/release-before")
	if err != nil {
		t.Fatal(err)
	}
	commit = strings.TrimSpace(string(data))
	archive := filepath.Join(t.TempDir(), "source.tar")
	out, err := exec.CommandContext(t.Context(), "git", "-C", "..", "archive", "--output", archive, commit).CombinedOutput()
	if err != nil {
		message := fmt.Sprintf("the previous release (%s) is not in the history of this checkout: %s", commit, out)
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s; check out with the whole history (fetch-depth: 0)", message)
		}
		t.Skip(message)
	}
	dir = t.TempDir()
	run := exec.CommandContext(t.Context(), "tar", "-x", "-f", archive, "-C", dir)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("unpack the previous release: %v: %s", err, out)
	}
	return dir, commit
}

// build builds both programs of a source tree.
func build(t *testing.T, source string, flags ...string) string {
	t.Helper()
	dir := t.TempDir() + string(filepath.Separator)
	args := append(append([]string{"build", "-buildvcs=false", "-o", dir}, flags...), "./api", "./worker")
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", source, err, out)
	}
	return dir
}

// TestReleaseBefore builds the previous release once for all subtests.
func TestReleaseBefore(t *testing.T) {
	t.Parallel()
	source, _ := releaseBefore(t)
	before := build(t, source)
	now := build(t, "..")
	t.Run("opens the store of this version", func(t *testing.T) { t.Parallel(); testSameStore(t, now+"api", before+"api") })
	t.Run("hands its store to this version", func(t *testing.T) { t.Parallel(); testSameStore(t, before+"api", now+"api") })
	t.Run("works beside this version", func(t *testing.T) { t.Parallel(); testSideBySide(t, before, now) })
	t.Run("leaves jobs of a newer version alone", func(t *testing.T) { t.Parallel(); testNewerJob(t, before, now) })
}

// fill stores one of everything through the API of a program, as a new member. The program must have storedAdminKey and use the
// simulator.
func fill(ctx context.Context, t *testing.T, p *program, name string) storedData {
	t.Helper()
	operator := apiClient{url: p.url, token: storedAdminKey}
	member := apiClient{url: p.url}
	w := storedData{Email: name + "@example.org", Password: name + " remembers 1", Key: "key-of-" + name}
	member.must(ctx, t, http.StatusCreated, http.MethodPost, "/api/auth/register",
		map[string]any{"username": name, "email": w.Email, "password": w.Password}, nil)
	member.token = login(ctx, t, member, w)
	w.Token = member.token

	rules := apiClient{url: p.simulator}
	rules.must(ctx, t, http.StatusOK, http.MethodPost, "/_control/rules", map[string]any{"contains": "refused", "status": 400}, nil)
	for n, j := range []storedJob{
		{Kind: "image", Input: map[string]any{"prompt": "a lighthouse of " + name, "width": 64, "height": 64}, Status: "succeeded"},
		{Kind: "prompt", Input: map[string]any{"text": "a harbour of " + name}, Status: "succeeded"},
		{Kind: "prompt", Input: map[string]any{"text": "refused to " + name}, Status: "failed"},
	} {
		var v jobView
		headers := []string{"Idempotency-Key", w.Key}
		if n > 0 {
			headers = nil
		}
		member.must(ctx, t, http.StatusAccepted, http.MethodPost, "/api/jobs", map[string]any{"kind": j.Kind, "input": j.Input}, &v, headers...)
		done := member.awaitJob(ctx, t, v.ID)
		if done.Status != j.Status || (j.Status == "succeeded" && done.Text == "" && len(done.Media) == 0) {
			t.Fatalf("a job became %+v", done)
		}
		w.Jobs = append(w.Jobs, done)
	}

	operator.must(ctx, t, http.StatusOK, http.MethodPost, "/api/admin/kinds/"+storedKind+"/pause", map[string]any{"seconds": 720 * 3600}, nil)
	var v jobView
	member.must(ctx, t, http.StatusAccepted, http.MethodPost, "/api/jobs",
		map[string]any{"kind": storedKind, "input": map[string]any{"text": "你好 " + name}}, &v)
	w.Waiting = v.ID

	w.Feedback = "It rains at " + name
	member.must(ctx, t, http.StatusCreated, http.MethodPost, "/api/feedback", map[string]any{"category": "bug", "content": w.Feedback}, nil)
	var saved struct {
		ID string `json:"id"`
	}
	member.must(ctx, t, http.StatusCreated, http.MethodPost, "/api/images/save", map[string]any{"job_id": w.Jobs[0].ID}, &saved)
	w.Image, w.Bytes = saved.ID, w.Jobs[0].Media[0]
	return w
}

// testSameStore writes a store with one version, reads and extends it with the other, and reads both parts with the first.
func testSameStore(t *testing.T, first, second string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
	defer cancel()
	dir := t.TempDir()
	const key = "ADMIN_KEY=" + storedAdminKey
	p := startBinary(t, first, dir, key, "RESULT_TTL=30h", "MAX_QUEUED_JOBS=500")
	one := fill(ctx, t, p, "one")
	p.stop(t)

	p = startBinary(t, second, dir, key)
	checkStored(ctx, t, p, one, true)
	two := fill(ctx, t, p, "two")
	p.stop(t)

	p = startBinary(t, first, dir, key)
	checkStored(ctx, t, p, one, true)
	checkStored(ctx, t, p, two, true)
	checkWaiting(ctx, t, p, one, two)
	// A crash in place of a stop.
	p.kill()

	p = startBinary(t, second, dir, key)
	checkStored(ctx, t, p, one, true)
	checkStored(ctx, t, p, two, true)
	p.kill()

	p = startBinary(t, first, dir, key)
	checkStored(ctx, t, p, two, true)
	p.stop(t)
}

// natsServer starts an external NATS server and returns its URL and a connection.
func natsServer(t *testing.T) (string, jetstream.JetStream) {
	t.Helper()
	srv := brokertest.StartServer(t, func(o *server.Options) { o.SyncAlways = true })
	return srv.ClientURL(), brokertest.JetStream(t, srv.ClientURL())
}

const sharedSecret = "JWT_SECRET=7f1e7c2b9a5d4e8f8b6a3c1d0e9f2a4b"

// testSideBySide runs both versions on one NATS. Each version must run and return jobs that the other accepted.
func testSideBySide(t *testing.T, before, now string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
	defer cancel()
	url, js := natsServer(t)
	api := func(dir string) *program {
		return startBinary(t, dir+"api", t.TempDir(), "NATS_URL="+url, sharedSecret, "MAX_ACTIVE_JOBS_MEMBER=0", "QUOTA_MEMBER_PER_MINUTE=0")
	}
	former, current := api(before), api(now)
	// Each version starts while the other runs, so that each finds the streams that the other has declared.
	former.kill()
	former = api(before)

	member := apiClient{url: former.url}
	w := storedData{Email: "both@example.org", Password: "both remember 1"}
	member.must(ctx, t, http.StatusCreated, http.MethodPost, "/api/auth/register",
		map[string]any{"username": "both", "email": w.Email, "password": w.Password}, nil)
	member.token = login(ctx, t, apiClient{url: current.url}, w)
	submit := func(p *program, n int) string {
		t.Helper()
		var v jobView
		kind, input := "image", map[string]any{"prompt": fmt.Sprintf("image %d", n), "width": 64, "height": 64}
		if n%2 == 1 {
			kind, input = "prompt", map[string]any{"text": fmt.Sprintf("text %d", n)}
		}
		apiClient{url: p.url, token: member.token}.must(ctx, t, http.StatusAccepted, http.MethodPost, "/api/jobs", map[string]any{"kind": kind, "input": input}, &v)
		return v.ID
	}
	succeeded := func(ids ...string) {
		t.Helper()
		for n, id := range ids {
			p := []*program{former, current}[n%2]
			if got := (apiClient{url: p.url, token: member.token}).awaitJob(ctx, t, id); got.Status != "succeeded" {
				t.Errorf("job %s is %+v", id, got)
			}
		}
	}
	// The worker of one version runs jobs that the API of the other accepted.
	ids := []string{submit(current, 0), submit(current, 1)}
	worker := startWorker(t, before+"worker", url, t.TempDir())
	succeeded(ids...)
	_ = worker.Process.Kill()
	_ = worker.Wait()
	ids = []string{submit(former, 2), submit(former, 3)}
	startWorker(t, now+"worker", url, t.TempDir())
	succeeded(ids...)
	// Both workers run jobs, and one of them is killed.
	worker = startWorker(t, before+"worker", url, t.TempDir())
	ids = nil
	for n := range 40 {
		ids = append(ids, submit([]*program{former, current}[n/2%2], 10+n))
		if n == 30 {
			_ = worker.Process.Kill()
		}
	}
	succeeded(ids...)
	// A job that the killed worker had ended and not yet removed is removed by the other one, once it is delivered again.
	for left := uint64(1); left > 0; {
		stream, err := js.Stream(ctx, "JOBS")
		if err != nil {
			t.Fatalf("%d jobs are left in the queue: %v", left, err)
		}
		left = stream.CachedInfo().State.Msgs
	}
	former.stop(t)
	current.stop(t)
}

// testNewerJob queues a job in a format that neither version can read.
func testNewerJob(t *testing.T, before, now string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
	defer cancel()
	url, js := natsServer(t)
	for name, dir := range map[string]string{"before": before, "now": now} {
		p := startBinary(t, dir+"api", t.TempDir(), "NATS_URL="+url, sharedSecret)
		worker := startWorker(t, dir+"worker", url, t.TempDir())
		subject := "jobs.prompt.guest.u1." + name
		body, err := json.Marshal(map[string]any{"v": 99, "anything": "else"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, subject, body); err != nil {
			t.Fatal(err)
		}
		consumer, err := js.Consumer(ctx, "JOBS", "worker-prompt-guest")
		if err != nil {
			t.Fatal(err)
		}
		// The job is delivered and returned to the queue.
		for {
			info, err := consumer.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if info.NumPending == 0 && info.NumAckPending > 0 {
				break
			}
		}
		// A later job is run nevertheless.
		var v jobView
		member := apiClient{url: p.url}
		w := storedData{Email: name + "@example.org", Password: name + " remembers 1"}
		member.must(ctx, t, http.StatusCreated, http.MethodPost, "/api/auth/register", map[string]any{"username": name, "email": w.Email, "password": w.Password}, nil)
		member.token = login(ctx, t, member, w)
		member.must(ctx, t, http.StatusAccepted, http.MethodPost, "/api/jobs", map[string]any{"kind": "prompt", "input": map[string]any{"text": "x"}}, &v)
		if got := member.awaitJob(ctx, t, v.ID); got.Status != "succeeded" {
			t.Errorf("the later job is %+v", got)
		}
		_ = worker.Process.Signal(os.Interrupt)
		_ = worker.Wait()
		p.stop(t)
		stream, err := js.Stream(ctx, "JOBS")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.GetLastMsgForSubject(ctx, subject); err != nil {
			t.Errorf("the job has left the queue: %v", err)
		}
		dead, err := js.Stream(ctx, "DEAD")
		if err != nil {
			t.Fatal(err)
		}
		if n := dead.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("%d dead letters", n)
		}
	}
}

// TestKeepStore writes the store that TestKeptStore opens: `go test -tags compat ./api -run TestKeepStore -update`. It builds
// the previous release with a clock 70 years ahead, so that no data has expired when the store is opened.
func TestKeepStore(t *testing.T) {
	if !*update {
		t.Skip("writes testdata; needs -update")
	}
	source, commit := releaseBefore(t)
	clock := filepath.Join(runtime.GOROOT(), "src", "time", "time.go") //nolint:staticcheck // The tests run where Go is.
	code, err := os.ReadFile(clock)
	if err != nil {
		t.Fatal(err)
	}
	const reads = "sec, nsec, mono := runtimeNow()\n"
	ahead := strings.Replace(string(code), reads, reads+"\tsec += 70 * 365 * 86400\n", 1)
	if ahead == string(code) {
		t.Fatal("time.Now of this version of Go reads the clock differently")
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{clock: filepath.Join(dir, "time.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"time.go": ahead, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin := build(t, source, "-overlay", filepath.Join(dir, "overlay.json"))
	store := t.TempDir()
	p := startBinary(t, bin+"api", store, "ADMIN_KEY="+storedAdminKey)
	w := fill(t.Context(), t, p, "ann")
	p.stop(t)
	kept := "../pkg/broker/testdata/store-" + commit[:7]
	w.Commit, w.Token = commit, ""
	encoded, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept+".json", append(encoded, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	pack(t, store, kept+".tar.gz")
}

// pack archives the files in a directory. Empty directories are omitted.
func pack(t *testing.T, dir, path string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{Name: filepath.ToSlash(rel), Mode: 0o600, Size: int64(len(data)), Typeflag: tar.TypeReg})
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes", path, b.Len())
}
