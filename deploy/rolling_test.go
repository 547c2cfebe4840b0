package deploy_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

var rolling = flag.Bool("rolling", false, "run TestRollingRestarts, which needs nginx and takes over a minute")

const (
	rollingRounds = 3
	// rollingRate is how many jobs are submitted each second.
	rollingRate = 50
	// rollingGuests is how many guests have an event stream open.
	rollingGuests = 300
	// rollingDrain is DRAIN_DELAY.
	rollingDrain = 2 * time.Second
)

// tooSlow is how long a submission may take before anything is restarted. On slower machines requests time out anyway, and
// the test would show nothing.
const tooSlow = 2 * time.Second

// process is a program that is restarted.
type process struct {
	t       *testing.T
	name    string
	path    string
	environ []string
	// ready is the URL of its readiness probe; "" for a worker, which reports readiness on its output.
	ready string

	cmd    *exec.Cmd
	output *output
}

// output collects the output of a program and lets tests wait for a line.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts the program and returns when it is ready.
func (p *process) start() {
	p.t.Helper()
	p.output = &output{}
	p.cmd = exec.Command(p.path) //nolint:noctx // This test ends it.
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.environ, p.output, p.output
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	await(p.t, p.name+" to be ready", func() bool {
		if p.ready == "" {
			return strings.Contains(p.output.String(), "upstream")
		}
		resp, err := http.Get(p.ready) //nolint:noctx // It answers at once or not at all.
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop stops the program and returns how long it took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop %s: %v", p.name, err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s ended with %v: %s", p.name, err, p.output)
	}
	return time.Since(begun)
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// await polls until a condition holds.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.Now().Add(hang); !so(); <-ticker.C {
		if time.Now().After(limit) {
			t.Fatalf("waited %s for %s", hang, what)
		}
	}
}

// build builds the programs into a directory.
func build(t *testing.T, dir string) {
	t.Helper()
	for _, program := range []string{"api", "worker"} {
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, program), "../"+program).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", program, err, out)
		}
	}
}

// TestRollingRestarts restarts both API processes and both workers behind nginx, one after the other, three times, while jobs
// are submitted, polled and followed by event streams. No client may see an error, and no event may be lost. Then an API
// process is killed, and the errors that clients see are bounded.
func TestRollingRestarts(t *testing.T) {
	if !*rolling {
		t.Skip("run it by make rolling: it takes over a minute")
	}
	nginxPath, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed (apt install nginx-light)")
	}
	bin := t.TempDir()
	build(t, bin)
	root := secrets(t)
	srv := natsOf(t, read(t, "docker/nats.conf"), root)
	url := func(role string) string {
		return strings.Replace(read(t, filepath.Join(root, "app/nats_"+role+"_url")), "nats:4222", strings.TrimPrefix(srv.ClientURL(), "nats://"), 1)
	}
	ports := [2]int{brokertest.FreePort(t), brokertest.FreePort(t)}
	var apis, workers [2]*process
	for i, port := range ports {
		listen := "127.0.0.1:" + strconv.Itoa(port)
		apis[i] = &process{
			t: t, name: fmt.Sprint("api ", i+1), path: filepath.Join(bin, "api"), ready: "http://" + listen + "/readyz",
			environ: []string{
				"NATS_URL=" + url("api"), "JWT_SECRET_FILE=" + filepath.Join(root, "app/jwt_secret"), "LISTEN_ADDR=" + listen,
				"DRAIN_DELAY=" + rollingDrain.String(), "TRUSTED_PROXIES=127.0.0.1", "PUBLIC_HOSTS=*", "METRICS_ENABLED=off",
				"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "QUOTA_TEXT_ADDRESS_PER_DAY=0", "QUOTA_ADDRESS_PER_DAY=0",
				"MAX_ACTIVE_JOBS_GUEST=0", "MAX_STREAMS_PER_CALLER=0", "LOG_LEVEL=info",
			},
		}
		workers[i] = &process{
			t: t, name: fmt.Sprint("worker ", i+1), path: filepath.Join(bin, "worker"),
			environ: []string{
				"NATS_URL=" + url("worker"), "SIMULATOR=on", "METRICS_ENABLED=off", "DATA_DIR=" + t.TempDir(),
				"WORKER_SLOTS_IMAGE=64", "WORKER_SLOTS_TEXT=128", "WORKER_SOFT_STOP=8s",
			},
		}
	}
	all := []*process{apis[0], apis[1], workers[0], workers[1]}
	for _, p := range all {
		p.start()
		t.Cleanup(p.kill)
	}
	front := startNginx(t, nginxPath, ports)

	l := newLoad(t, front)
	l.start()
	l.await(5 * time.Second)
	if slowest := time.Duration(l.slowest.Load()); slowest > tooSlow {
		l.stop()
		t.Skipf("this machine is too busy: without any restart a submission took %s, at %d a second and %d streams", slowest.Round(time.Millisecond), rollingRate, rollingGuests)
	}
	for round := range rollingRounds {
		for _, p := range all {
			before := l.submitted.Load()
			took := p.stop()
			p.start()
			t.Logf("round %d: %s stopped in %s, %d jobs submitted meanwhile", round+1, p.name, took.Round(10*time.Millisecond), l.submitted.Load()-before)
		}
	}
	l.check("rolling restarts")
	for _, p := range all {
		if t.Failed() {
			n := 0
			for line := range strings.Lines(p.output.String()) {
				if (strings.Contains(line, "503") || strings.Contains(line, "rror")) && n < 15 {
					n++
					t.Logf("%s says: %.700s", p.name, line)
				}
			}
		}
	}
	// A killed process cuts off its responses, and only the client can repeat those requests.
	apis[0].kill()
	l.await(3 * time.Second)
	apis[0].start()
	l.await(2 * time.Second)
	l.finish()
	failures := l.failures.take()
	t.Logf("kill -9 of an API process: %d requests failed: %v", len(failures), failures)
	if len(failures) > rollingGuests/2 {
		t.Errorf("%d requests failed with one process killed", len(failures))
	}
	t.Logf("%d jobs were submitted; %d streams came back %d times; slowest submission %s", l.submitted.Load(), rollingGuests, l.reconnects.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond))
}

// startNginx starts nginx with the configuration of deploy/nginx, on loopback and without TLS, and returns its URL.
func startNginx(t *testing.T, path string, ports [2]int) string {
	t.Helper()
	dir, port := t.TempDir(), brokertest.FreePort(t)
	conf := read(t, "nginx/text2image-audio.conf")
	// The server that redirects plain HTTP to TLS.
	from, to := strings.Index(conf, "server {\n    listen 80;"), strings.LastIndex(conf, "server {")
	conf = conf[:from] + conf[to:]
	for old, now := range map[string]string{
		"127.0.0.1:8080":             "127.0.0.1:" + strconv.Itoa(ports[0]),
		"127.0.0.1:8081":             "127.0.0.1:" + strconv.Itoa(ports[1]),
		"listen 443 ssl http2;":      "listen 127.0.0.1:" + strconv.Itoa(port) + ";",
		"listen [::]:443 ssl http2;": "",
		"/etc/nginx/snippets/":       dir + "/",
		"/var/log/nginx/":            dir + "/",
		"ssl_certificate     /etc/nginx/tls/fullchain.pem;": "",
		"ssl_certificate_key /etc/nginx/tls/privkey.pem;":   "",
	} {
		if !strings.Contains(conf, old) {
			t.Fatalf("the configuration of nginx has no %q", old)
		}
		conf = strings.ReplaceAll(conf, old, now)
	}
	must(t, os.WriteFile(filepath.Join(dir, "t2i-proxy.conf"), []byte(read(t, "nginx/t2i-proxy.conf")), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "site.conf"), []byte(conf), 0o600))
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	whole := user + "daemon off;\nworker_processes 2;\nworker_rlimit_nofile 8192;\npid " + dir + "/nginx.pid;\nerror_log " + dir + "/error.log warn;\nevents { worker_connections 4096; }\nhttp {\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		whole += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	whole += "include " + dir + "/site.conf;\n}\n"
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(whole), 0o600))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			logErrors(t, dir)
			t.Logf("nginx says: %s", out)
		}
	})
	url := "http://127.0.0.1:" + strconv.Itoa(port)
	await(t, "nginx", func() bool {
		resp, err := http.Get(url + "/") //nolint:noctx // It answers at once or not at all.
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return url
}

// failedRequest matches an access log line of a failed request.
var failedRequest = regexp.MustCompile(`" 50\d `)

// logErrors logs the failed requests in nginx's access log.
func logErrors(t *testing.T, dir string) {
	t.Helper()
	for name, is := range map[string]func(line string) bool{
		"error.log": func(line string) bool {
			return strings.Contains(line, "[error]") && !strings.Contains(line, "Connection refused")
		},
		"t2i.log": func(line string) bool { return failedRequest.MatchString(line) },
	} {
		n := 0
		for line := range strings.Lines(read(t, filepath.Join(dir, name))) {
			if is(line) && n < 40 {
				n++
				t.Logf("%s: %.400s", name, line)
			}
		}
	}
}
