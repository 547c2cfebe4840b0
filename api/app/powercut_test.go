package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// powerCutDir makes the test binary a process of the system on that directory, which logs what it syncs.
const powerCutDir = "T2I_TEST_POWER_CUT_DIR"

// The files in that directory.
const (
	dataDir = "data"
	syncLog = "syncs"
)

// runUntilKilled runs a process with everything in it. It prints its URL and never returns.
func runUntilKilled(dir string) {
	log, err := brokertest.NewSyncLog(filepath.Join(dir, syncLog))
	if err != nil {
		panic(err)
	}
	accounttest.AllowWeakHashes(nil)
	cfg := app.Default()
	err = env.Load([]string{
		"PBKDF2_ITERATIONS=10", "DATA_DIR=" + filepath.Join(dir, dataDir), "LISTEN_ADDR=127.0.0.1:0", "SIGNUPS_PER_HOUR=1000", "WORKER_SLOTS_IMAGE=8",
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=100000", "QUOTA_TEXT_GUEST_PER_MINUTE=0",
		"MAX_ACTIVE_JOBS_GUEST=0", "MAX_ACTIVE_JOBS_MEMBER=0",
	}, &cfg)
	if err != nil {
		panic(err)
	}
	brokertest.GroupCommit(&cfg.Broker)
	brokertest.ObserveSyncs(log)(&cfg.Broker)
	cfg.Worker.Latency = simulator.Latency{}
	a, err := app.New(cfg, discard())
	if err != nil {
		panic(err)
	}
	if err := a.Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(a.URL())
	select {}
}

// crowd is clients of a process that will be killed. It keeps what was confirmed to them.
type crowd struct {
	t      *testing.T
	url    string
	client *http.Client
	killed atomic.Bool
	// confirmed is signaled when something was confirmed.
	confirmed chan struct{}

	mu       sync.Mutex
	accepted []string
	deleted  []string
	// passwords are those of accounts by email; "" for a deleted account. One whose change was not confirmed is left out.
	passwords map[string]string
}

// do returns false when the process is gone or the response is not as expected: a busy machine may reject a request.
func (c *crowd) do(method, path, token string, body any, want int, into any) bool {
	encoded, err := json.Marshal(body)
	if err != nil {
		return false
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(encoded))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != want {
		return false
	}
	return into == nil || json.NewDecoder(resp.Body).Decode(into) == nil
}

// keep changes what was confirmed.
func (c *crowd) keep(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	select {
	case c.confirmed <- struct{}{}:
	default:
	}
}

// submit submits jobs until the process is killed, and deletes every third that has ended.
func (c *crowd) submit(worker int) {
	for n := 0; !c.killed.Load(); n++ {
		body := fields{"kind": "image", "input": fields{"prompt": fmt.Sprintf("fox %d of %d", n, worker), "width": 64, "height": 64}}
		if n%2 == 1 {
			body = fields{"kind": "prompt", "input": fields{"text": fmt.Sprintf("fox %d of %d", n, worker)}}
		}
		var j apptest.Job
		if !c.do(http.MethodPost, "/api/jobs", "", body, http.StatusAccepted, &j) {
			continue
		}
		if n%3 != 0 {
			c.keep(func() { c.accepted = append(c.accepted, j.ID) })
			continue
		}
		for !j.Finished() && !c.killed.Load() {
			c.do(http.MethodGet, "/api/jobs/"+j.ID+"?wait=5", "", nil, http.StatusOK, &j)
		}
		if c.do(http.MethodDelete, "/api/jobs/"+j.ID, "", nil, http.StatusNoContent, nil) {
			c.keep(func() { c.deleted = append(c.deleted, j.ID) })
		}
	}
}

// register creates accounts until the process is killed; it changes the password of some and deletes others.
func (c *crowd) register() {
	set := func(email, password string) { c.keep(func() { c.passwords[email] = password }) }
	unset := func(email string) { c.keep(func() { delete(c.passwords, email) }) }
	for n := 0; !c.killed.Load(); n++ {
		email := fmt.Sprintf("user%d@example.org", n)
		var s struct{ Token string }
		if !c.do(http.MethodPost, "/api/auth/register", "", fields{"username": "Ann", "email": email, "password": "correct horse"}, http.StatusCreated, &s) {
			continue
		}
		set(email, "correct horse")
		switch n % 3 {
		case 1:
			unset(email)
			if c.do(http.MethodPost, "/api/auth/change-password", s.Token,
				fields{"currentPassword": "correct horse", "newPassword": "battery staple"}, http.StatusOK, nil) {
				set(email, "battery staple")
			}
		case 2:
			unset(email)
			if c.do(http.MethodPost, "/api/auth/delete-account", s.Token, fields{"password": "correct horse"}, http.StatusOK, nil) {
				set(email, "")
			}
		}
	}
}

// enough reports whether enough was confirmed.
func (c *crowd) enough() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.accepted) >= 200 && len(c.deleted) >= 30 && len(c.passwords) >= 12
}

// TestPowerCut lets the power fail, by the model of brokertest.CutPower, under a process that serves submissions, deletions and
// accounts: everything that was confirmed is there after a start on what is left.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{powerCutDir + "=" + dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the process did not start: %v, %s", err, &stderr)
	}
	c := &crowd{
		t: t, url: strings.TrimSpace(url), passwords: make(map[string]string), confirmed: make(chan struct{}, 1),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}
	defer c.client.CloseIdleConnections()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() { c.submit(worker) })
	}
	wg.Go(c.register)
	timeout := time.NewTimer(hang)
	defer timeout.Stop()
	for !c.enough() {
		select {
		case <-c.confirmed:
			continue
		case <-timeout.C:
			t.Errorf("too little was confirmed: %s", &stderr)
		}
		break
	}
	kill()
	c.killed.Store(true)
	wg.Wait()

	after := brokertest.CutPower(t, filepath.Join(dir, dataDir), filepath.Join(dir, syncLog))
	i := start(t, apptest.Config(t, after))
	for _, id := range c.accepted {
		if resp := i.Do(t, http.MethodGet, "/api/jobs/"+id, nil); resp.StatusCode != http.StatusOK {
			t.Errorf("accepted job %s: %d %s", id, resp.StatusCode, resp.Data)
			continue
		}
		j := i.Wait(t, id)
		if j.Status != "succeeded" {
			t.Errorf("accepted job %s %s", id, j.Status)
		}
		for n := range j.Result.Media {
			if resp := i.Do(t, http.MethodGet, fmt.Sprintf("/api/jobs/%s/media/%d", id, n), nil); resp.StatusCode != http.StatusOK || len(resp.Data) == 0 {
				t.Errorf("image of job %s: %d", id, resp.StatusCode)
			}
		}
	}
	for _, id := range c.deleted {
		if resp := i.Do(t, http.MethodGet, "/api/jobs/"+id, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("deleted job %s is back: %d %s", id, resp.StatusCode, resp.Data)
		}
	}
	for email, password := range c.passwords {
		want := http.StatusOK
		if password == "" {
			want, password = http.StatusUnauthorized, "correct horse"
		}
		if resp := i.Do(t, http.MethodPost, "/api/auth/login", fields{"email": email, "password": password}); resp.StatusCode != want {
			t.Errorf("sign in as %s: %d %s, want %d", email, resp.StatusCode, resp.Data, want)
		}
	}
	t.Logf("%d accepted and %d deleted jobs and %d accounts survived", len(c.accepted), len(c.deleted), len(c.passwords))
}

// TestConfirmedChangesSurvivePowerCut lets the power fail right after each kind of change was confirmed, before anything else is
// written.
func TestConfirmedChangesSurvivePowerCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, err := brokertest.NewSyncLog(filepath.Join(dir, syncLog))
	if err != nil {
		t.Fatal(err)
	}
	variables := []string{
		"ADMIN_KEY=the operator's own", "FETCH_RETRY_MAX=1", "QUOTA_GUEST_PER_DAY=50", "MAX_ACTIVE_JOBS_GUEST=0", "SIGNUPS_PER_HOUR=0",
		"NATS_SYNC=always", "PBKDF2_ITERATIONS=1",
	}
	accounttest.AllowWeakHashes(t)
	cfg := apptest.Config(t, filepath.Join(dir, dataDir), variables...)
	brokertest.GroupCommit(&cfg.Broker)
	brokertest.ObserveSyncs(log)(&cfg.Broker)
	i := start(t, cfg)
	operator := "X-Admin-Key: the operator's own"

	image := func(prompt string) fields {
		return fields{"kind": "image", "input": fields{"prompt": prompt, "width": 64, "height": 64}}
	}
	done := i.Submit(t, image("a boat"))
	done = i.Wait(t, done.ID)
	gone := i.Wait(t, i.Submit(t, image("an old boat")).ID)
	i.awaitEmptyQueue(t)
	ann := i.signUp(t, "ann@example.org", "correct horse")
	bob := i.signUp(t, "bob@example.org", "correct horse")
	i.signUp(t, "eve@example.org", "correct horse")
	var failed, accepted, settled apptest.Job
	var upload uploaded

	status := func(p *instance, want int, method, path string, body any, headers ...string) {
		t.Helper()
		if resp := p.Do(t, method, path, body, headers...); resp.StatusCode != want {
			t.Errorf("%s %s: %d %.200s, want %d", method, path, resp.StatusCode, resp.Data, want)
		}
	}
	for _, change := range []struct {
		name  string
		make  func()
		check func(*instance)
	}{
		{"settlement", func() {
			settled = i.Wait(t, i.Submit(t, image("a fox")).ID)
			i.awaitEmptyQueue(t)
			// The next submission syncs the removal of the job from the queue.
			if err := i.Broker().Durable(t.Context(), broker.StreamJobs); err != nil {
				t.Fatal(err)
			}
		}, func(p *instance) {
			status(p, http.StatusOK, http.MethodGet, "/api/jobs/"+settled.ID, nil)
			status(p, http.StatusOK, http.MethodGet, "/api/jobs/"+settled.ID+"/media/0", nil)
		}},
		{"dead letter", func() {
			if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Fault: "unavailable", Times: 2}); err != nil {
				t.Fatal(err)
			}
			// The first one stays, so that the removal of the other is a mark in the same block.
			i.Wait(t, i.Submit(t, image("a broken boat")).ID)
			failed = i.Wait(t, i.Submit(t, image("a broken fox")).ID)
			i.awaitEmptyQueue(t)
			if err := i.Broker().Durable(t.Context(), broker.StreamJobs); err != nil {
				t.Fatal(err)
			}
		}, func(p *instance) {
			status(p, http.StatusOK, http.MethodGet, "/api/admin/dead-letters/"+failed.ID, nil, operator)
		}},
		{"deletion of a job", func() {
			status(i, http.StatusNoContent, http.MethodDelete, "/api/jobs/"+gone.ID, nil)
		}, func(p *instance) {
			status(p, http.StatusNotFound, http.MethodGet, "/api/jobs/"+gone.ID, nil)
			status(p, http.StatusOK, http.MethodGet, "/api/jobs/"+done.ID, nil)
		}},
		{"deletion of a dead letter", func() {
			status(i, http.StatusNoContent, http.MethodDelete, "/api/admin/dead-letters/"+failed.ID, nil, operator)
		}, func(p *instance) {
			status(p, http.StatusNotFound, http.MethodGet, "/api/admin/dead-letters/"+failed.ID, nil, operator)
		}},
		{"feedback", func() {
			status(i, http.StatusCreated, http.MethodPost, "/api/feedback", fields{"category": "bug", "content": "It breaks."}, ann)
		}, func(p *instance) {
			if resp := p.Do(t, http.MethodGet, "/api/feedback/my", nil, ann); !strings.Contains(string(resp.Data), "It breaks.") {
				t.Errorf("feedback: %s", resp.Data)
			}
		}},
		{"saved image", func() {
			picture := i.Do(t, http.MethodGet, "/api/jobs/"+done.ID+"/media/0", nil)
			status(i, http.StatusCreated, http.MethodPost, "/api/images/save", fields{"prompt": "a canary", "data": picture.Data}, ann)
		}, func(p *instance) {
			if resp := p.Do(t, http.MethodGet, "/api/images/daily", nil, ann); !strings.Contains(string(resp.Data), "a canary") {
				t.Errorf("saved images: %s", resp.Data)
			}
		}},
		{"password", func() {
			status(i, http.StatusOK, http.MethodPost, "/api/auth/change-password",
				fields{"currentPassword": "correct horse", "newPassword": "battery staple"}, bob)
		}, func(p *instance) {
			status(p, http.StatusOK, http.MethodPost, "/api/auth/login", fields{"email": "bob@example.org", "password": "battery staple"})
		}},
		{"registration", func() { i.signUp(t, "new@example.org", "correct horse") }, func(p *instance) {
			status(p, http.StatusOK, http.MethodPost, "/api/auth/login", fields{"email": "new@example.org", "password": "correct horse"})
		}},
		{"deletion of an account", func() {
			status(i, http.StatusOK, http.MethodPost, "/api/auth/delete-account", fields{"password": "correct horse"}, ann)
		}, func(p *instance) {
			status(p, http.StatusUnauthorized, http.MethodPost, "/api/auth/login", fields{"email": "ann@example.org", "password": "correct horse"})
		}},
		{"pause", func() {
			status(i, http.StatusOK, http.MethodPost, "/api/admin/kinds/image/pause", fields{}, operator)
		}, func(p *instance) {
			if resp := p.Do(t, http.MethodGet, "/api/admin/control", nil, operator); !strings.Contains(string(resp.Data), `"paused":true`) {
				t.Errorf("pause: %s", resp.Data)
			}
		}},
		{"upload and submission", func() {
			picture := i.Do(t, http.MethodGet, "/api/jobs/"+done.ID+"/media/0", nil)
			i.Do(t, http.MethodPost, "/api/uploads", picture.Data).Decode(t, &upload)
			accepted = i.Submit(t, fields{"kind": "image", "input": fields{
				"prompt": "a last fox", "model": "gptimage", "width": 64, "height": 64, "reference_images": []string{upload.Reference},
			}})
		}, func(p *instance) {
			status(p, http.StatusOK, http.MethodGet, upload.URL, nil)
			status(p, http.StatusOK, http.MethodPost, "/api/admin/kinds/image/resume", fields{}, operator)
			if last := p.Wait(t, accepted.ID); last.Status != "succeeded" {
				t.Errorf("a job with a reference image: %+v", last)
			}
		}},
	} {
		change.make()
		after := brokertest.CutPower(t, filepath.Join(dir, dataDir), filepath.Join(dir, syncLog))
		p := run(t, apptest.Config(t, after, variables...))
		change.check(p)
		p.Close(t)
		if t.Failed() {
			t.Fatalf("after the %s", change.name)
		}
	}
}

// awaitEmptyQueue waits until every job has left the queue.
func (i *instance) awaitEmptyQueue(t *testing.T) {
	t.Helper()
	stream, err := i.Broker().JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(hang); time.Now().Before(end); {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs == 0 {
			return
		}
	}
	t.Fatal("the queue does not become empty")
}
