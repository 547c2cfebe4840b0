package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// syncs counts the fsyncs of each stream and keeps the synced length of each file.
type syncs struct {
	mu    sync.Mutex
	count map[string]int
	bytes map[string]int64
}

func newSyncs() *syncs { return &syncs{count: make(map[string]int), bytes: make(map[string]int64)} }

func (s *syncs) ObserveSync(stream, path string, bytes int64, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[stream]++
	s.bytes[path] = bytes
}

func (s *syncs) of(stream string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[stream]
}

// unsynced returns the blocks of a stream that are longer than what was synced of them.
func (s *syncs) unsynced(t *testing.T, cfg broker.Config, stream string) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	blocks, err := filepath.Glob(filepath.Join(cfg.DataDir, "nats", "jetstream", "$G", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("blocks of %s: %v, %v", stream, blocks, err)
	}
	return slices.DeleteFunc(blocks, func(path string) bool {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size() <= s.bytes[path]
	})
}

// startGroup starts a broker with group commit.
func startGroup(t *testing.T, options ...func(*broker.Config)) (*broker.Broker, *syncs) {
	t.Helper()
	s := newSyncs()
	b := brokertest.Start(t, append([]func(*broker.Config){func(c *broker.Config) {
		c.Sync = "always"
		brokertest.GroupCommit(c)
		brokertest.ObserveSyncs(s)(c)
	}}, options...)...)
	if mode, reason := b.Durability(); mode != broker.DurableGroup {
		t.Fatalf("writes are durable by %s (%s)", mode, reason)
	}
	return b, s
}

// TestWritesAreDurable looks at the files right after each kind of write.
func TestWritesAreDurable(t *testing.T) {
	t.Parallel()
	b, syncs := startGroup(t)
	ctx, cfg := t.Context(), b.Config()
	jobs, err := b.JetStream().Stream(ctx, broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	results, err := b.JetStream().Stream(ctx, broker.ResultsStream)
	if err != nil {
		t.Fatal(err)
	}
	var sequence uint64
	subject := func(n int) string { return fmt.Sprintf("jobs.image.member.u1.j%d", n) }
	for _, step := range []struct {
		name, stream string
		do           func() error
	}{
		{"publish", broker.StreamJobs, func() error {
			ack, err := b.JetStream().Publish(ctx, subject(1), []byte("x"))
			if err == nil {
				sequence = ack.Sequence
			}
			return err
		}},
		{"conflict", broker.StreamJobs, func() error {
			if _, err := b.Buffered().Publish(ctx, subject(2), []byte("x")); err != nil {
				return err
			}
			_, err := b.JetStream().Publish(ctx, subject(2), []byte("x"), jetstream.WithExpectLastSequencePerSubject(0))
			if !broker.Conflict(err) {
				return fmt.Errorf("a second job with an id: %w", err)
			}
			return nil
		}},
		{"buffered", broker.StreamJobs, func() error {
			if _, err := b.Buffered().Publish(ctx, subject(3), []byte("x")); err != nil {
				return err
			}
			return b.Durable(ctx, broker.ResultsStream, broker.StreamJobs)
		}},
		{"several blocks", broker.ResultsStream, func() error {
			big := make([]byte, 900<<10)
			for n := range 20 {
				if _, err := b.Buffered().Publish(ctx, broker.ChunkSubject("u1", "j1", 0, "hash", n), big); err != nil {
					return err
				}
			}
			_, err := b.JetStream().Publish(ctx, broker.RecordSubject("u1", "j1"), []byte("x"))
			return err
		}},
		{"delete", broker.StreamJobs, func() error { return jobs.DeleteMsg(ctx, sequence) }},
		{"purge of a subject", broker.ResultsStream, func() error {
			return results.Purge(ctx, jetstream.WithPurgeSubject(broker.JobMediaSubject("u1", "j1")))
		}},
		{"purge of everything", broker.StreamJobs, func() error { return jobs.Purge(ctx) }},
		{"publish after the purge", broker.StreamJobs, func() error {
			_, err := b.JetStream().Publish(ctx, subject(4), []byte("x"))
			return err
		}},
	} {
		before := syncs.of(step.stream)
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if left := syncs.unsynced(t, cfg, step.stream); len(left) > 0 || syncs.of(step.stream) == before {
			t.Errorf("after %s, with %d fsyncs, %v are not on disk", step.name, syncs.of(step.stream)-before, left)
		}
	}
	before := syncs.of(broker.StreamJobs)
	if err := b.Durable(ctx, broker.StreamJobs); err != nil || syncs.of(broker.StreamJobs) != before {
		t.Errorf("nothing was written, and %d fsyncs were made: %v", syncs.of(broker.StreamJobs)-before, err)
	}
	if err := b.Durable(ctx, broker.ProgressStream); err != nil {
		t.Errorf("a stream in memory: %v", err)
	}
}

// TestGroupCommit lets many wait while a sync runs: they share the next one.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan error)
	commits := broker.GroupCommits(map[string]func() error{"S": func() error {
		started <- struct{}{}
		return <-release
	}})
	wait := func(ctx context.Context) error { return commits(ctx, "S") }
	first := make(chan error, 1)
	go func() { first <- wait(t.Context()) }()
	<-started
	const many = 50
	others := make(chan error, many)
	var arrived sync.WaitGroup
	for range many {
		arrived.Add(1)
		go func() {
			// The sync that runs began before these calls, so it does not count for them.
			arrived.Done()
			others <- wait(t.Context())
		}()
	}
	arrived.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that is gone: %v", err)
	}
	release <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	failure := errors.New("the disk failed")
	rounds := 0
	for done := 0; done < many; {
		select {
		case <-started:
			rounds++
			release <- failure
		case err := <-others:
			done++
			if !errors.Is(err, failure) {
				t.Errorf("a caller got %v", err)
			}
		}
	}
	// A goroutine may be late for the first round.
	if rounds < 1 || rounds > 3 {
		t.Errorf("%d callers took %d rounds", many, rounds)
	}
}

// TestStreamsAreSyncedTogether waits for two streams while a sync of one of them runs: their next syncs begin when that has ended, at the
// same time, and each has its own outcome.
func TestStreamsAreSyncedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("the disk failed")
		var begun []string
		var mu sync.Mutex
		release := make(chan struct{})
		syncs := func(stream string, err error) func() error {
			return func() error {
				mu.Lock()
				begun = append(begun, stream)
				mu.Unlock()
				<-release
				return err
			}
		}
		wait := broker.GroupCommits(map[string]func() error{"A": syncs("A", nil), "B": syncs("B", failure)})
		// began returns the streams whose syncs have begun since the last call, when nothing can go on without a release.
		began := func() []string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			streams := begun
			begun = nil
			slices.Sort(streams)
			return streams
		}
		waitFor := func(stream string) <-chan error {
			outcome := make(chan error, 1)
			go func() { outcome <- wait(t.Context(), stream) }()
			return outcome
		}
		first := waitFor("A")
		if got := began(); !slices.Equal(got, []string{"A"}) {
			t.Fatalf("syncs of %q began, want only A", got)
		}
		a, b := waitFor("A"), waitFor("B")
		if got := began(); len(got) > 0 {
			t.Errorf("syncs of %q began while another one ran", got)
		}
		release <- struct{}{}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if got := began(); !slices.Equal(got, []string{"A", "B"}) {
			t.Errorf("syncs of %q began, want A and B", got)
		}
		close(release)
		if err := <-a; err != nil {
			t.Error(err)
		}
		if err := <-b; !errors.Is(err, failure) {
			t.Errorf("the other stream: %v", err)
		}
	})
}

// TestConcurrentWritesShareSyncs publishes from many goroutines.
func TestConcurrentWritesShareSyncs(t *testing.T) {
	t.Parallel()
	b, syncs := startGroup(t)
	const writers, each = 32, 25
	before := syncs.of(broker.StreamJobs)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if _, err := b.JetStream().Publish(t.Context(), fmt.Sprintf("jobs.image.member.u%d.j%d", w, n), []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	made := syncs.of(broker.StreamJobs) - before
	t.Logf("%d writes, %d fsyncs", writers*each, made)
	if made == 0 || made > writers*each/2 {
		t.Errorf("%d writes took %d fsyncs", writers*each, made)
	}
}

// TestUnknownLayout falls back to a server that syncs by itself.
func TestUnknownLayout(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	cfg.Sync = "always"
	cfg.SetHooks(func(h *hooks.Hooks) { h.GroupCommit, h.UnknownLayout = true, true })
	b := brokertest.MustOpen(t, cfg)
	// The server was restarted, which loses streams in memory.
	for _, name := range broker.StreamNames() {
		if _, err := b.JetStream().Stream(t.Context(), name); err != nil {
			t.Errorf("stream %s: %v", name, err)
		}
	}
	mode, reason := b.Durability()
	if mode != broker.DurableAlways || !strings.Contains(reason, "layout") {
		t.Errorf("durable by %s: %q", mode, reason)
	}
	if got := b.Server().JetStreamConfig(); !got.SyncAlways {
		t.Errorf("%+v", got)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := b.JetStream().Publish(t.Context(), "jobs.image.member.u1.j1", []byte("x")); err != nil {
		t.Error(err)
	}
}

// TestOtherProcessesAskForDurability connects a worker to an API with and without group commit.
func TestOtherProcessesAskForDurability(t *testing.T) {
	t.Parallel()
	for _, group := range []bool{true, false} {
		t.Run(fmt.Sprintf("group commit %t", group), func(t *testing.T) {
			t.Parallel()
			s := newSyncs()
			api := brokertest.Start(t, func(c *broker.Config) {
				c.Listen = "127.0.0.1:0"
				if group {
					c.Sync = "always"
					brokertest.GroupCommit(c)
				}
			}, brokertest.RequireKey, brokertest.ObserveSyncs(s))
			worker := brokertest.Start(t, func(c *broker.Config) {
				c.URL, c.DataDir, c.Follower = env.Secret(api.ClientURL()), api.Config().DataDir, true
			})
			if mode, _ := worker.Durability(); mode != broker.DurableExternal {
				t.Errorf("the worker's writes are durable by %s", mode)
			}
			before := s.of(broker.ResultsStream)
			if _, err := worker.JetStream().Publish(t.Context(), broker.RecordSubject("u1", "j1"), []byte("x")); err != nil {
				t.Fatal(err)
			}
			if made := s.of(broker.ResultsStream) - before; (made > 0) != group {
				t.Errorf("%d fsyncs", made)
			}
			if left := s.unsynced(t, api.Config(), broker.ResultsStream); group && len(left) > 0 {
				t.Errorf("%v are not on disk", left)
			}
			if err := worker.Durable(t.Context(), broker.ResultsStream, "unknown"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPowerFailureBetweenBlocks cuts off the ends of blocks that were written since the last sync. The store opens with all
// that was confirmed. The same cut in a block that was synced is damage.
func TestPowerFailureBetweenBlocks(t *testing.T) {
	t.Parallel()
	b, _ := startGroup(t)
	ctx := t.Context()
	chunk := func(n int) string { return broker.ChunkSubject("u1", "j1", 0, "hash", n) }
	if _, err := b.JetStream().Publish(ctx, chunk(0), []byte("confirmed")); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if _, err := b.Buffered().Publish(ctx, chunk(n+1), make([]byte, 900<<10)); err != nil {
			t.Fatal(err)
		}
	}
	killed := copyDir(t, b.Config().DataDir)
	cut(t, killed, 0)
	if err := reopen(t, killed, chunk(0)); err != nil {
		t.Errorf("after a power failure: %v", err)
	}
	// A start makes everything durable and records that. Without the record of the stop, the program seems to have been killed.
	restarted := copyDir(t, b.Config().DataDir)
	if err := reopen(t, restarted, chunk(0)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(restarted, "stopped.json")); err != nil {
		t.Fatal(err)
	}
	cut(t, restarted, 0)
	var damage *filestore.DamageError
	if err := reopen(t, restarted, chunk(0)); !errors.As(err, &damage) {
		t.Errorf("a synced block that was cut off: %v", err)
	}
}

func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// cut cuts off the end of a block of the results, which must not be the last.
func cut(t *testing.T, dir string, block int) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "nats", "jetstream", "$G", "streams", broker.ResultsStream, "msgs", "*.blk"))
	if err != nil || len(blocks) < block+2 {
		t.Fatalf("blocks: %v, %v", blocks, err)
	}
	info, err := os.Stat(blocks[block])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(blocks[block], info.Size()-1000); err != nil {
		t.Fatal(err)
	}
}

// reopen opens a broker on a directory, reads a message of the results and closes it.
func reopen(t *testing.T, dir, subject string) error {
	t.Helper()
	cfg := brokertest.Config(t)
	cfg.DataDir, cfg.Sync = dir, "always"
	brokertest.GroupCommit(&cfg)
	b, err := brokertest.Open(t, cfg, slog.DiscardHandler)
	if err != nil {
		return err
	}
	defer brokertest.Close(t, b)
	stream, err := b.JetStream().Stream(t.Context(), broker.ResultsStream)
	if err != nil {
		return err
	}
	_, err = stream.GetLastMsgForSubject(t.Context(), subject)
	return err
}
