package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/backup"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestStreams compares the streams of a backup with those declared on disk.
func TestStreams(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	var want []string
	for _, name := range broker.StreamNames() {
		stream, err := b.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if stream.CachedInfo().Config.Storage == jetstream.FileStorage {
			want = append(want, name)
		}
	}
	got := backup.Streams()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the streams of a backup are %v, those on disk %v", got, want)
	}
}

// fill stores data of every kind and returns the messages to compare.
func fill(t *testing.T, b *broker.Broker) {
	t.Helper()
	publish(t, b, broker.JobSubject(job.KindImage, job.LaneGuest, "u1", "j0"), "settled")
	second := publish(t, b, broker.JobSubject(job.KindImage, job.LaneGuest, "u1", "j1"), "waits")
	jobs, err := b.JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := jobs.DeleteMsg(t.Context(), second-1); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // More than a part holds.
		publish(t, b, broker.ChunkSubject("u1", "j0", 0, "0123456789abcdef", i), strings.Repeat(string(rune('a'+i)), 700<<10))
	}
	publish(t, b, broker.RecordSubject("u1", "j0"), "ended")
	publish(t, b, broker.UserSubject("ann"), "old")
	publish(t, b, broker.UserSubject("ann"), "new")
	publish(t, b, broker.ResetSubject("ann"), "token", jetstream.WithMsgTTL(time.Hour))
	for range 3 {
		count := nats.NewMsg(broker.UsageSubject(broker.UsageDay, "ann", "d1"))
		count.Header.Set("Nats-Incr", "2")
		if _, err := b.JetStream().PublishMsg(t.Context(), count); err != nil {
			t.Fatal(err)
		}
	}
}

// checkFilled compares the stored messages with those that fill returned.
func checkFilled(t *testing.T, was, is *broker.Broker) {
	t.Helper()
	for subject, stream := range map[string]string{
		broker.JobSubject(job.KindImage, job.LaneGuest, "u1", "j1"): broker.StreamJobs,
		broker.RecordSubject("u1", "j0"):                            broker.ResultsStream,
		broker.ChunkSubject("u1", "j0", 0, "0123456789abcdef", 4):   broker.ResultsStream,
		broker.UserSubject("ann"):                                   broker.UsersStream,
		broker.ResetSubject("ann"):                                  broker.ResetsStream,
		broker.UsageSubject(broker.UsageDay, "ann", "d1"):           broker.StreamUsage,
	} {
		want, got := last(t, was, stream, subject), last(t, is, stream, subject)
		if want == nil || got == nil {
			t.Errorf("%s: %v, want %v", subject, got, want)
			continue
		}
		if !bytes.Equal(got.Data, want.Data) || got.Sequence != want.Sequence || !got.Time.Equal(want.Time) || fmt.Sprint(got.Header) != fmt.Sprint(want.Header) {
			t.Errorf("%s: %d %s %v, want %d %s %v", subject, got.Sequence, got.Time, got.Header, want.Sequence, want.Time, want.Header)
		}
	}
	if settled := last(t, is, broker.StreamJobs, broker.JobSubject(job.KindImage, job.LaneGuest, "u1", "j0")); settled != nil {
		t.Errorf("a job that had left the queue is back")
	}
	// Counters and sequences continue.
	count := nats.NewMsg(broker.UsageSubject(broker.UsageDay, "ann", "d1"))
	count.Header.Set("Nats-Incr", "1")
	ack, err := is.JetStream().PublishMsg(t.Context(), count)
	if err != nil || ack.Value != "7" {
		t.Errorf("the counter continues with %+v, %v", ack, err)
	}
}

// TestRoundTrip restores a backup into a store that is then opened, closed and reopened.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	from := brokertest.Start(t)
	fill(t, from)
	file := create(t, from)
	cfg := brokertest.Config(t)
	restore(t, cfg, file)
	b, err := broker.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	checkFilled(t, from, b)
	if repair, err := b.LastRepair(t.Context()); repair != nil || err != nil {
		t.Errorf("the restored store had to be repaired: %+v, %v", repair, err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	brokertest.MustOpen(t, cfg)
}

// TestKeysWrittenMeanwhile changes keys continuously during a backup. The backup must have a value of every key, and none that
// is older than the backup.
func TestKeysWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	const keys = 300
	write := func(round int) {
		for i := range keys {
			publish(t, b, broker.UserSubject(fmt.Sprint("k", i)), fmt.Sprintf("%06d", round)+strings.Repeat("x", 3000))
		}
	}
	write(1)
	before := 1
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for round := 2; ; round++ {
			select {
			case <-stop:
				return
			default:
				write(round)
			}
		}
	})
	var files [][]byte
	for range 5 {
		files = append(files, create(t, b))
	}
	close(stop)
	wg.Wait()
	for n, file := range files {
		cfg := brokertest.Config(t)
		restore(t, cfg, file)
		restored := openUndeclared(t, cfg)
		missing := 0
		for i := range keys {
			msg := last(t, restored, broker.UsersStream, broker.UserSubject(fmt.Sprint("k", i)))
			if msg == nil {
				missing++
			} else if got := string(msg.Data[:6]); got < fmt.Sprintf("%06d", before) {
				t.Errorf("backup %d: key %d is of round %s", n, i, got)
			}
		}
		if missing > 0 {
			t.Errorf("backup %d: %d of %d keys are missing", n, missing, keys)
		}
		brokertest.Close(t, restored)
	}
}

// TestTailOfAnEmptiedStream removes everything that was stored during a snapshot, as the end of jobs does.
func TestTailOfAnEmptiedStream(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	const keys = 300
	for i := range keys {
		publish(t, b, broker.UserSubject(fmt.Sprint("k", i)), "x")
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.UsersStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := b.Conn().Stats().OutMsgs
	s, err := backup.Tail(t.Context(), b, broker.UsersStream)
	if err != nil || s.Messages != 0 || s.LastSeq < keys {
		t.Errorf("%+v, %v", s, err)
	}
	if requests := b.Conn().Stats().OutMsgs - before; requests > keys/2 {
		t.Errorf("%d requests for no message", requests)
	}
}

// TestDamagedFiles verifies modified and truncated files.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	fill(t, b)
	file := create(t, b)
	step := max(1, len(file)/97)
	for at := 0; at < len(file); at += step {
		flipped := slices.Clone(file)
		flipped[at] ^= 0x10
		if _, err := backup.Verify(bytes.NewReader(flipped)); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrNewer) {
			t.Errorf("byte %d of %d changed: %v", at, len(file), err)
		}
		if _, err := backup.Verify(bytes.NewReader(file[:at])); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("truncated at %d of %d: %v", at, len(file), err)
		}
	}
	for _, bad := range [][]byte{file[:len(file)-1], append(slices.Clone(file), "more"...), append(slices.Clone(file), file...), []byte("no backup"), nil} {
		if _, err := backup.Verify(bytes.NewReader(bad)); !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

// TestNewerFormat verifies a file of a later version.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	file := create(t, brokertest.Start(t))
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain = bytes.ReplaceAll(plain, []byte(`"version": 1,`), []byte(`"version": 9,`))
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if _, err := backup.Verify(bytes.NewReader(backup.WithTrailer(w.EncodeAll(plain, nil)))); !errors.Is(err, backup.ErrNewer) {
		t.Errorf("%v", err)
	}
}

// TestNotEmpty restores into a store that has streams, which must not change.
func TestNotEmpty(t *testing.T) {
	t.Parallel()
	file := create(t, brokertest.Start(t))
	b := brokertest.Start(t)
	publish(t, b, broker.UserSubject("bob"), "here")
	err := backup.Restore(t.Context(), b, manifestOf(t, file), bytes.NewReader(file))
	if !errors.Is(err, backup.ErrNotEmpty) || !strings.Contains(err.Error(), "KV_USERS (1 messages)") {
		t.Errorf("%v", err)
	}
	if msg := last(t, b, broker.UsersStream, broker.UserSubject("bob")); msg == nil {
		t.Error("the account is lost")
	}
	if err := backup.Discard(t.Context(), b); err == nil {
		t.Error("a store without an interrupted restore was discarded")
	}
}

// TestInterrupted interrupts a restore. The store can neither be opened nor be restored into until the restore is discarded.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	from := brokertest.Start(t)
	fill(t, from)
	file := create(t, from)
	m := manifestOf(t, file)
	cfg := brokertest.Config(t)
	b := openUndeclared(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	half := &interrupted{data: file, at: len(file) / 2, cancel: cancel}
	if err := backup.Restore(ctx, b, m, half); err == nil {
		t.Fatal("the restore was not interrupted")
	}
	if err := backup.Restore(t.Context(), b, m, bytes.NewReader(file)); !errors.Is(err, broker.ErrRestoreUnfinished) {
		t.Errorf("restored again: %v", err)
	}
	brokertest.Close(t, b)
	if _, err := brokertest.Open(t, cfg, slog.DiscardHandler); !errors.Is(err, broker.ErrRestoreUnfinished) {
		t.Errorf("opened: %v", err)
	}
	b = openUndeclared(t, cfg)
	if err := backup.Discard(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := backup.Restore(t.Context(), b, m, bytes.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	brokertest.Close(t, b)
	checkFilled(t, from, brokertest.MustOpen(t, cfg))
}

// interrupted is a reader that cancels a context while it is read.
type interrupted struct {
	data   []byte
	at     int
	cancel context.CancelFunc
}

func (r *interrupted) Read(p []byte) (int, error) {
	if r.at <= 0 {
		r.cancel()
		return 0, context.Canceled
	}
	n := copy(p, r.data[:min(len(p), r.at)])
	r.data, r.at = r.data[n:], r.at-n
	return n, nil
}

// TestClusterAndBack moves a store from a cluster to a single node and back.
func TestClusterAndBack(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	from := c.Open()
	fill(t, from)
	file := create(t, from)
	cfg := brokertest.Config(t)
	restore(t, cfg, file)
	single := brokertest.MustOpen(t, cfg)
	checkFilled(t, from, single)

	back := create(t, single)
	other := brokertest.StartCluster(t)
	restore(t, other.Config(), back)
	there := other.Open()
	for _, name := range backup.Streams() {
		stream, err := there.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := stream.CachedInfo().Config.Replicas; got != 3 {
			t.Errorf("%s has %d replicas", name, got)
		}
	}
	for subject, stream := range map[string]string{
		broker.JobSubject(job.KindImage, job.LaneGuest, "u1", "j1"): broker.StreamJobs, broker.UserSubject("ann"): broker.UsersStream,
	} {
		want, got := last(t, single, stream, subject), last(t, there, stream, subject)
		if got == nil || !bytes.Equal(got.Data, want.Data) || got.Sequence != want.Sequence {
			t.Errorf("%s: %v, want %v", subject, got, want)
		}
	}
}

// TestFailureAtTheStart checks that nothing is written when the first stream cannot be read: a handler can then still respond
// with an error.
func TestFailureAtTheStart(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if m, err := backup.Create(ctx, b, "", &out); err == nil || out.Len() != 0 {
		t.Errorf("%+v, %v, %d bytes", m, err, out.Len())
	}
}
