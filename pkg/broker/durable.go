package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// Group commit. The embedded server writes each message to its file before it acknowledges it, but does not sync the file:
// that would cost an fsync for each message. Instead every publish that has to be durable waits, after its acknowledgement,
// until an fsync has covered it, and all that wait for the same stream share one. Processes that are connected to the embedded
// server ask the process that runs it to do so.

const (
	// serverName is the name of the embedded server, and groupCommitName its name while writes are durable by group commit
	// only. Clients in other processes recognize it by that.
	serverName      = "text2image-audio"
	groupCommitName = "text2image-audio-group-commit"

	// groupCommitInterval is how often the server syncs by itself during group commit, which covers what nobody waits for.
	groupCommitInterval = time.Second

	// durableSubject is where other processes ask for a stream to be made durable.
	durableSubject = "durable."
	// durableTimeout bounds one such request, and durablePause is the pause before the next.
	durableTimeout = 5 * time.Second
	durablePause   = 50 * time.Millisecond
)

// Durability is how writes to NATS become durable.
type Durability string

// The kinds of durability.
const (
	// DurableGroup means that an fsync, which concurrent writes share, covers each write before it is confirmed.
	DurableGroup Durability = "group_commit"
	// DurableAlways means that the embedded server syncs every write.
	DurableAlways Durability = "every_write"
	// DurableInterval means that the embedded server syncs at intervals: a power failure may lose the writes of the last one.
	DurableInterval Durability = "interval"
	// DurableExternal means that the configuration of an external NATS decides.
	DurableExternal Durability = "external"
)

// Durability returns how writes become durable, and what else there is to say about it: the interval, why there is no group
// commit, or on what an external NATS depends.
func (b *Broker) Durability() (Durability, string) {
	if b.embedded == nil {
		return DurableExternal, fmt.Sprintf("%d replicas; sync_interval of the nats-servers decides, which clients cannot read", b.cfg.Replicas)
	}
	always, _, _ := b.cfg.syncSetting()
	switch {
	case !always:
		return DurableInterval, b.cfg.Sync
	case b.embedded.commits.Load() != nil:
		return DurableGroup, ""
	}
	return DurableAlways, b.embedded.noGroupCommit
}

// errRestarted is returned for a write that one server has acknowledged and that another should make durable: a power failure between
// the two may have lost it. The write can be repeated, as after a lost connection.
var errRestarted = fmt.Errorf("the server was restarted before the write was on disk: %w", nats.ErrDisconnected)

// Durable returns when everything that streams acknowledged before the call is on disk. It returns at once when NATS_SYNC is
// an interval, and when NATS is external or syncs every write by itself. It fails with ErrDiskFull or ErrDiskFailed, with
// the error of ctx when the process that runs NATS does not answer, and with nats.ErrDisconnected when that process was restarted. It
// costs an fsync for each stream, shared with all concurrent callers, and one request for each if NATS runs in another process.
func (b *Broker) Durable(ctx context.Context, streams ...string) error {
	return b.durableSince(ctx, b.GroupCommitServer(), streams...)
}

// WriteDurably runs write, which publishes to a stream by Buffered, and returns when what it has published is on disk. It fails with the
// error of write, and as Durable does, with nats.ErrDisconnected also when the process that runs NATS was restarted since write began. It
// costs as much as Durable.
func (b *Broker) WriteDurably(ctx context.Context, stream string, write func(context.Context) error) error {
	since := b.GroupCommitServer()
	if err := write(ctx); err != nil {
		return err
	}
	return b.durableSince(ctx, since, stream)
}

// WriteFirst runs write, which publishes by Buffered what the next durable write to the same stream refers to: both are on disk when that
// returns. In the process of NATS it costs nothing. Elsewhere it is WriteDurably: a power failure of the machine with NATS between the two
// writes would lose only the first.
func (b *Broker) WriteFirst(ctx context.Context, stream string, write func(context.Context) error) error {
	if b.embedded != nil {
		return write(ctx)
	}
	return b.WriteDurably(ctx, stream, write)
}

// GroupCommitServer returns the ID of the server in another process with which acknowledged writes may be lost in a power failure as long
// as Durable has not returned; each start has another ID. It is empty while there is no connection, and where writes are not lost that
// way: NATS runs in this process, which is lost with it, or makes writes durable by itself.
func (b *Broker) GroupCommitServer() string {
	if b.embedded != nil || b.nc.ConnectedServerName() != groupCommitName {
		return ""
	}
	return b.nc.ConnectedServerId()
}

// durableSince is Durable for writes before which GroupCommitServer returned since.
func (b *Broker) durableSince(ctx context.Context, since string, streams ...string) error {
	if len(streams) == 1 {
		return b.durable(ctx, since, streams[0])
	}
	errs := make([]error, len(streams))
	var wg sync.WaitGroup
	for i, stream := range streams {
		wg.Go(func() { errs[i] = b.durable(ctx, since, stream) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *Broker) durable(ctx context.Context, since, stream string) error {
	if b.embedded == nil {
		return b.requestDurable(ctx, since, stream)
	}
	commits := b.embedded.commits.Load()
	if commits == nil {
		return nil
	}
	err := commits.wait(ctx, stream)
	if err != nil && ctx.Err() == nil {
		b.writeFailed(err.Error())
	}
	return err
}

// requestDurable asks the process that runs NATS, if that is an API with group commit.
func (b *Broker) requestDurable(ctx context.Context, since, stream string) error {
	ctx, cancel := Bounded(ctx)
	defer cancel()
	for {
		switch server := b.nc.ConnectedServerId(); {
		case server == "": // There is no connection at the moment.
		case since != "" && server != since:
			return fmt.Errorf("make writes durable: %w", errRestarted)
		case b.nc.ConnectedServerName() != groupCommitName:
			return nil
		}
		attempt, cancel := context.WithTimeout(ctx, durableTimeout)
		reply, err := b.nc.RequestWithContext(attempt, durableSubject+stream, []byte(since))
		cancel()
		switch {
		case err == nil && len(reply.Data) == 0:
			return nil
		case err == nil && string(reply.Data) == errRestarted.Error():
			return fmt.Errorf("make writes durable: %w", errRestarted)
		case err == nil:
			return fmt.Errorf("make writes durable: %w", classifyFault(errors.New(string(reply.Data))))
		case !lifecycle.Sleep(ctx, durablePause):
			return fmt.Errorf("make writes durable: %w", context.Cause(ctx))
		}
	}
}

// answerDurable answers the requests of other processes until the connection is closed. A request has the ID of the server that has
// acknowledged the writes; those of 0.1.0, and of a process that had no connection, have none.
func (b *Broker) answerDurable() error {
	_, err := b.nc.Subscribe(durableSubject+"*", func(m *nats.Msg) {
		stream := m.Subject[len(durableSubject):]
		// The answers wait for fsyncs, which the requests that follow may share.
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), durableTimeout)
			defer cancel()
			err := b.durable(ctx, "", stream)
			if since := string(m.Data); err == nil && since != "" && since != b.embedded.serverID() {
				err = errRestarted
			}
			var response []byte
			if err != nil {
				response = []byte(err.Error())
			}
			_ = m.Respond(response)
		}()
	})
	if err != nil {
		return fmt.Errorf("subscribe to requests for durability: %w", err)
	}
	return nil
}

// SyncObserver receives every fsync of group commit: the stream, which is empty for those of a start or stop, the file, the
// length of it that is on disk now, and how long it took. It must not block.
type SyncObserver interface {
	ObserveSync(stream, path string, bytes int64, took time.Duration)
}

// commits are the group commits of the streams on disk. The syncs that somebody waits for begin together: a file system with a journal
// makes them durable with one commit of the journal then, instead of one for each stream, during which writes to all of them wait.
type commits struct {
	streams map[string]*groupCommit

	// mu guards what follows, and next of each stream.
	mu sync.Mutex
	// running says that a goroutine syncs until nobody waits.
	running bool
}

// groupCommit syncs one stream. No two of its syncs run at a time.
type groupCommit struct {
	sync func() error
	// next is what those wait for who came after the last sync began; nil while nobody waits.
	next *syncRound
}

type syncRound struct {
	done chan struct{}
	err  error
}

func newCommits(e *embedded) *commits {
	syncs := make(map[string]func() error)
	for _, stream := range storedStreams() {
		syncs[stream] = e.store.Syncer(stream, e.synced(stream)).Sync
	}
	return commitsOf(syncs)
}

// commitsOf returns the group commits of streams that are synced by the given functions.
func commitsOf(syncs map[string]func() error) *commits {
	c := &commits{streams: make(map[string]*groupCommit, len(syncs))}
	for stream, sync := range syncs {
		c.streams[stream] = &groupCommit{sync: sync}
	}
	return c
}

// wait returns when a sync of the stream that began after the call is done, with its error. Streams in memory are never durable.
func (c *commits) wait(ctx context.Context, stream string) error {
	g := c.streams[stream]
	if g == nil {
		return nil
	}
	c.mu.Lock()
	if g.next == nil {
		g.next = &syncRound{done: make(chan struct{})}
	}
	round := g.next
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()
	select {
	case <-round.done:
		return round.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the disk: %w", context.Cause(ctx))
	}
}

// run syncs until nobody waits.
func (c *commits) run() {
	for {
		// Who is about to write or to wait does so first, and shares the sync. It costs nothing while the processors are idle.
		runtime.Gosched()
		if !c.syncOnce() {
			return
		}
	}
}

// syncOnce syncs the streams that somebody waits for, all at the same time. It reports whether there were any.
func (c *commits) syncOnce() bool {
	var syncs sync.WaitGroup
	c.mu.Lock()
	c.running = false
	for _, g := range c.streams {
		round := g.next
		if round == nil {
			continue
		}
		g.next, c.running = nil, true
		syncs.Go(func() {
			round.err = g.sync()
			close(round.done)
		})
	}
	running := c.running
	c.mu.Unlock()
	syncs.Wait()
	return running
}

// ensureGroupCommit checks that group commit works with the layout of the store: a message that is stored must be found in
// the file that would be synced. If it is not, the server is restarted so that it syncs every write by itself, and what it had
// in memory is declared again.
func (b *Broker) ensureGroupCommit(ctx context.Context) error {
	if b.embedded.commits.Load() == nil {
		return nil
	}
	// What was created since the start, directories and configurations.
	if err := b.embedded.syncAll(); err != nil {
		return err
	}
	token := []byte("layout " + nats.NewInbox())
	if _, err := b.js.Publish(ctx, ResultsProbeSubject(), token); err != nil {
		return fmt.Errorf("probe the store: %w", err)
	}
	found, err := b.embedded.store.Contains(ResultsStream, token)
	if err == nil && found && !b.cfg.hooks.UnknownLayout {
		return nil
	}
	b.log.WarnContext(ctx, "the layout of the store is unknown: NATS syncs every write by itself, which is slower", "error", err)
	b.embedded.noGroupCommit = "the layout of the store is unknown"
	if err := b.restart(ctx); err != nil {
		return err
	}
	return b.declareAll(ctx)
}

// durableStream is a stream whose deletions are durable when they return.
type durableStream struct {
	jetstream.Stream
	checked *checkedJetStream
}

// Purge is jetstream.Stream.Purge.
func (s durableStream) Purge(ctx context.Context, opts ...jetstream.StreamPurgeOpt) error {
	since := s.checked.server()
	if err := s.Stream.Purge(ctx, opts...); err != nil {
		return err
	}
	return s.checked.durable(ctx, since, s.name())
}

// DeleteMsg is jetstream.Stream.DeleteMsg.
func (s durableStream) DeleteMsg(ctx context.Context, sequence uint64) error {
	since := s.checked.server()
	if err := s.Stream.DeleteMsg(ctx, sequence); err != nil {
		return err
	}
	return s.checked.durable(ctx, since, s.name())
}

func (s durableStream) name() string { return s.CachedInfo().Config.Name }
