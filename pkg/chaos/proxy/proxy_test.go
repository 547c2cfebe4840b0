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

// hang bounds every wait; shortly is how long a test watches that nothing arrives.
const (
	hang    = 2 * time.Minute
	shortly = 100 * time.Millisecond
)

// echo is a server that returns each line, and reports received lines and closed connections.
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

func (e *echo) expect(t *testing.T, want string) {
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

func (e *echo) expectNothing(t *testing.T) {
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

// mustReject checks that a connection is reset, which may already fail the dial.
func mustReject(t *testing.T, p *proxy.Proxy) {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	(&caller{c, bufio.NewReader(c)}).awaitClosed(t)
}

func (c *caller) send(t *testing.T, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func (c *caller) readLine(timeout time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(timeout))
	return c.ReadString('\n')
}

func (c *caller) receive(t *testing.T, want string) {
	t.Helper()
	if got, err := c.readLine(hang); err != nil || got != want+"\n" {
		t.Fatalf("received %q, %v, want %q", got, err, want)
	}
}

func (c *caller) receiveNothing(t *testing.T) {
	t.Helper()
	if got, err := c.readLine(shortly); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("received %q, %v", got, err)
	}
}

func (c *caller) Read(b []byte) (int, error) { return c.Conn.Read(b) }

// awaitClosed waits until the connection is closed.
func (c *caller) awaitClosed(t *testing.T) {
	t.Helper()
	if got, err := c.readLine(hang); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("received %q, %v, want a closed connection", got, err)
	}
}

func TestNoFaults(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	a, b := dial(t, p), dial(t, p)
	a.send(t, "one")
	e.expect(t, "one")
	b.send(t, "two")
	e.expect(t, "two")
	a.receive(t, "one")
	b.receive(t, "two")
	_ = a.Close()
	<-e.ended
	b.send(t, "three")
	b.receive(t, "three")
}

func TestDelay(t *testing.T) {
	t.Parallel()
	_, p := start(t)
	c := dial(t, p)
	const delay = 50 * time.Millisecond
	p.Set(proxy.Faults{Delay: delay})
	start := time.Now()
	c.send(t, "x")
	c.receive(t, "x")
	if took := time.Since(start); took < 2*delay {
		t.Errorf("the round trip took %s", took)
	}
	// An endless delay can be removed.
	p.Set(proxy.Faults{Delay: time.Hour})
	c.send(t, "y")
	c.receiveNothing(t)
	p.Set(proxy.Faults{})
	c.receive(t, "y")
}

func TestHold(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	p.Set(proxy.Faults{HoldRequests: true})
	c.send(t, "a")
	e.expectNothing(t)
	p.Set(proxy.Faults{HoldResponses: true})
	e.expect(t, "a")
	c.receiveNothing(t)
	p.Set(proxy.Faults{})
	c.receive(t, "a")
}

func TestCutAndRefuse(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	c.send(t, "a")
	c.receive(t, "a")
	e.expect(t, "a")
	p.Set(proxy.Faults{HoldRequests: true, Refuse: true})
	c.send(t, "lost")
	p.Cut()
	c.awaitClosed(t)
	<-e.ended
	mustReject(t, p)
	p.Set(proxy.Faults{})
	e.expectNothing(t)
	again := dial(t, p)
	again.send(t, "b")
	again.receive(t, "b")
}

// TestStranded delivers a message after its sender has reconnected and sent another one.
func TestStranded(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	old := dial(t, p)
	old.send(t, "first")
	old.receive(t, "first")
	e.expect(t, "first")
	s := p.Strand()
	old.send(t, "late")
	e.expectNothing(t)
	s.Abandon()
	old.awaitClosed(t)
	select {
	case <-e.ended:
		t.Fatal("the connection to the server is closed")
	case <-time.After(shortly):
	}
	fresh := dial(t, p)
	fresh.send(t, "second")
	e.expect(t, "second")
	s.Release()
	e.expect(t, "late")
	<-e.ended
	fresh.receive(t, "second")
}

func TestTargetDoesNotListen(t *testing.T) {
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
	mustReject(t, p)
	e.expectNothing(t)
}

func TestCloseWithHeldData(t *testing.T) {
	t.Parallel()
	e, p := start(t)
	c := dial(t, p)
	p.Set(proxy.Faults{HoldRequests: true, HoldResponses: true})
	c.send(t, "a")
	p.Close()
	c.awaitClosed(t)
	e.expectNothing(t)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if c, err := new(net.Dialer).DialContext(ctx, "tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
	p.Close()
}
