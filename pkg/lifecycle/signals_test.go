package lifecycle_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// signaledArgument makes the test binary be a process that stops on a signal.
const signaledArgument = "until-signal"

func TestMain(m *testing.M) {
	if slices.Contains(os.Args, signaledArgument) {
		untilSignal()
		return
	}
	os.Exit(m.Run())
}

// untilSignal prints the signal that ends the context, and then waits for the end of its input.
func untilSignal() {
	ctx := lifecycle.UntilSignal(context.Background())
	fmt.Println("running")
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// signaled is a process that stops on a signal.
type signaled struct {
	*testing.T
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Scanner
}

func startSignaled(t *testing.T, command ...string) *signaled {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &signaled{t, cmd, input, bufio.NewScanner(output)}
	s.want("running")
	return s
}

func (s *signaled) want(line string) {
	s.Helper()
	if !s.lines.Scan() || s.lines.Text() != line {
		s.Fatalf("printed %q, want %q", s.lines.Text(), line)
	}
}

func (s *signaled) send(sig os.Signal) {
	s.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.Fatal(err)
	}
}

// end lets the process end.
func (s *signaled) end() error {
	_ = s.input.Close()
	return s.cmd.Wait()
}

// Each signal ends the context. A closed terminal may send SIGHUP more than once.
func TestUntilSignal(t *testing.T) {
	t.Parallel()
	// If nohup runs the tests, the processes would inherit that SIGHUP is ignored.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := startSignaled(t, os.Args[0], signaledArgument)
			s.send(sig)
			s.want(sig.String() + " signal received")
			s.send(syscall.SIGHUP)
			if err := s.end(); err != nil {
				t.Errorf("a SIGHUP after %v: %v", sig, err)
			}
		})
	}
}

// A process that nohup has started does not notice that its terminal is closed.
func TestUntilSignalUnderNohup(t *testing.T) {
	t.Parallel()
	s := startSignaled(t, "sh", "-c", `trap "" HUP; exec "$0" "$1"`, os.Args[0], signaledArgument)
	s.send(syscall.SIGHUP)
	s.send(syscall.SIGTERM)
	s.want("terminated signal received")
	if err := s.end(); err != nil {
		t.Error(err)
	}
}
