package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang bounds what should take moments; shortly is how long nothing is to arrive.
const (
	hang    = 30 * time.Second
	shortly = 100 * time.Millisecond
)

// echo answers each line with the same line and tells what arrived, and when a connection ended.
type echo struct {
	addr  string
	lines chan string
	ended chan struct{}
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: listener.Addr().String(), lines: make(chan string, 100), ended: make(chan struct{}, 100)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close(); e.ended <- struct{}{} }()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					e.lines <- lines.Text()
					if _, err := c.Write([]byte(lines.Text() + "\n")); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return e
}

func (e *echo) got(t *testing.T, want string) {
	t.Helper()
	select {
	case line := <-e.lines:
		if line != want {
			t.Fatalf("%q arrived, want %q", line, want)
		}
	case <-time.After(hang):
		t.Fatalf("%q did not arrive", want)
	}
}

func (e *echo) gotNothing(t *testing.T) {
	t.Helper()
	select {
	case line := <-e.lines:
		t.Fatalf("%q arrived", line)
	case <-time.After(shortly):
	}
}

type caller struct {
	net.Conn
	*bufio.Reader
}

func start(t *testing.T) (*echo, *proxy.Proxy) {
	t.Helper()
	e := startEcho(t)
	p, err := proxy.Listen(t.Context(), e.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return e, p
}

func dial(t *testing.T, p *proxy.Proxy) *caller {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &caller{c, bufio.NewReader(c)}
}

// refused connects and is not let in, which the one who dials may notice at once.
func refused(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	(&caller{c, bufio.NewReader(c)}).broken(t)
}

func (c *caller) say(t *testing.T, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func (c *caller) hear(within time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	return c.ReadString('\n')
}

func (c *caller) hears(t *testing.T, want string) {
	t.Helper()
	if got, err := c.hear(hang); err != nil || got != want+"\n" {
		t.Fatalf("heard %q, %v, want %q", got, err, want)
	}
}

func (c *caller) hearsNothing(t *testing.T) {
	t.Helper()
	if got, err := c.hear(shortly); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v", got, err)
	}
}

func (c *caller) Read(b []byte) (int, error) { return c.Conn.Read(b) }

// broken waits until the connection has ended.
func (c *caller) broken(t *testing.T) {
	t.Helper()
	if got, err := c.hear(hang); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %q, %v, want the end", got, err)
	}
}

func TestFairWeather(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	a, b := dial(t, p), dial(t, p)
	a.say(t, "one")
	e.got(t, "one")
	b.say(t, "two")
	e.got(t, "two")
	a.hears(t, "one")
	b.hears(t, "two")
	_ = a.Close()
	<-e.ended
	b.say(t, "three")
	b.hears(t, "three")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	c := dial(t, p)
	const delay = 50 * time.Millisecond
	p.Set(proxy.Weather{Delay: delay})
	begun := time.Now()
	c.say(t, "x")
	c.hears(t, "x")
	if took := time.Since(begun); took < 2*delay {
		t.Errorf("there and back in %s", took)
	}
	// A delay without end is taken back.
	p.Set(proxy.Weather{Delay: time.Hour})
	c.say(t, "y")
	c.hearsNothing(t)
	p.Set(proxy.Weather{})
	c.hears(t, "y")
}

func TestHold(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	p.Set(proxy.Weather{HoldRequests: true})
	c.say(t, "a")
	e.gotNothing(t)
	p.Set(proxy.Weather{HoldAnswers: true})
	e.got(t, "a")
	c.hearsNothing(t)
	p.Set(proxy.Weather{})
	c.hears(t, "a")
}

func TestCutAndRefuse(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	c.say(t, "a")
	c.hears(t, "a")
	e.got(t, "a")
	p.Set(proxy.Weather{HoldRequests: true, Refuse: true})
	c.say(t, "lost")
	p.Cut()
	c.broken(t)
	<-e.ended
	refused(t, p)
	p.Set(proxy.Weather{})
	e.gotNothing(t)
	again := dial(t, p)
	again.say(t, "b")
	again.hears(t, "b")
}

// TestStranded lets a message arrive after its sender has gone and has sent another one on a new connection.
func TestStranded(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	old := dial(t, p)
	old.say(t, "first")
	old.hears(t, "first")
	e.got(t, "first")
	s := p.Strand()
	old.say(t, "late")
	e.gotNothing(t)
	s.Abandon()
	old.broken(t)
	select {
	case <-e.ended:
		t.Fatal("the server's end is closed")
	case <-time.After(shortly):
	}
	fresh := dial(t, p)
	fresh.say(t, "second")
	e.got(t, "second")
	s.Release()
	e.got(t, "late")
	<-e.ended
	fresh.hears(t, "second")
}

func TestTargetThatIsNotThere(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	free, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	p, err := proxy.Listen(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	refused(t, p)
	e.gotNothing(t)
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	p.Set(proxy.Weather{HoldRequests: true, HoldAnswers: true})
	c.say(t, "a")
	p.Close()
	c.broken(t)
	e.gotNothing(t)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if c, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
	p.Close()
}
