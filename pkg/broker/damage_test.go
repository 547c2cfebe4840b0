package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// jobsOfALane is the number of stored jobs per lane; one of them is delivered to a worker.
const jobsOfALane = 3

// filled stores jobs, some of them delivered, and one message in each other stream. It returns the stored data by subject.
func filled(t *testing.T, b *broker.Broker) map[string]string {
	t.Helper()
	stored := make(map[string]string)
	put := func(subject string, opts ...jetstream.PublishOpt) {
		t.Helper()
		if _, err := b.JetStream().Publish(t.Context(), subject, []byte("data of "+subject), opts...); err != nil {
			t.Fatal(err)
		}
		stored[subject] = "data of " + subject
	}
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			for i := range jobsOfALane {
				put(broker.JobSubject(kind, lane, "owner", fmt.Sprintf("job-%s-%s-%d", kind, lane, i)))
			}
			take(t, b, kind, lane, false)
		}
	}
	put(broker.RecordSubject("owner", "job"))
	put(broker.DeadSubject(job.KindImage, "owner", "job"))
	put(broker.UserSubject("user"))
	put(broker.ResetSubject("user"), jetstream.WithMsgTTL(time.Hour))
	put(broker.SpentSubject("token"), jetstream.WithMsgTTL(time.Hour))
	put(broker.FeedbackDoneSubject("owner", "id"))
	put(broker.ImagesSubject("owner", "day"))
	put(broker.WorkerSubject("w"), jetstream.WithMsgTTL(time.Hour))
	return stored
}

// take delivers a job of a lane and returns its subject.
func take(t *testing.T, b *broker.Broker, kind job.Kind, lane job.Lane, ack bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	c, err := b.JetStream().Consumer(ctx, broker.StreamJobs, broker.ConsumerName(kind, lane))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := c.Next(jetstream.FetchContext(ctx))
	if err != nil {
		t.Fatalf("%s/%s: %v", kind, lane, err)
	}
	if ack {
		if err := msg.DoubleAck(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return msg.Subject()
}

// holds checks that all data is stored and every job is delivered.
func holds(t *testing.T, b *broker.Broker, stored map[string]string) {
	t.Helper()
	for subject, want := range stored {
		stream, err := b.JetStream().StreamNameBySubject(t.Context(), subject)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		msg, err := broker.LeaderLast(t.Context(), b.JetStream(), stream, subject)
		if err != nil {
			t.Errorf("%s: %v", subject, err)
		} else if string(msg.Data) != want {
			t.Errorf("%s holds %q", subject, msg.Data)
		}
	}
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			taken := make(map[string]bool)
			for range jobsOfALane {
				taken[take(t, b, kind, lane, true)] = true
			}
			if len(taken) != jobsOfALane {
				t.Errorf("%s/%s: %d jobs were delivered: %v", kind, lane, len(taken), taken)
			}
		}
	}
}

// stopped returns the directory of a stopped broker, and killed a copy of the directory of a running one, as kill -9 leaves
// it.
func stopped(t *testing.T) (dir string, stored map[string]string) { return filledDir(t, false) }
func killed(t *testing.T) (dir string, stored map[string]string)  { return filledDir(t, true) }

func filledDir(t *testing.T, kill bool) (dir string, stored map[string]string) {
	t.Helper()
	cfg := shortWait(brokertest.Config(t))
	b := brokertest.MustOpen(t, cfg)
	stored = filled(t, b)
	if kill {
		return copied(t, cfg.DataDir), stored
	}
	brokertest.Close(t, b)
	return cfg.DataDir, stored
}

// shortWait makes jobs be redelivered soon.
func shortWait(cfg broker.Config) broker.Config {
	brokertest.AckWait(100 * time.Millisecond)(&cfg)
	return cfg
}

// copied returns a copy of a directory, including modification times.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(to, "lock"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	return to
}

// files returns the files below a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// flip inverts one bit of a file.
func flip(t *testing.T, path string, at, bit int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 1 << bit
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// openDir opens a broker on a directory and returns its log.
func openDir(t *testing.T, dir string, change ...func(*broker.Config)) (*broker.Broker, *textLog, error) {
	t.Helper()
	cfg := shortWait(broker.Config{DataDir: dir, Sync: "1m"})
	for _, c := range change {
		c(&cfg)
	}
	log := &textLog{}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	b, err := broker.Open(ctx, cfg, slog.New(slog.NewTextHandler(log, nil)))
	return b, log, err
}

func accept(cfg *broker.Config) { cfg.DataLoss = "accept" }

// skip reports whether to skip a file that differs only by name from another one: all consumers but two, and after a kill all
// streams but one with jobs and one with keys.
func skip(path string, kill bool) bool {
	if strings.Contains(path, "/obs/") {
		return !strings.Contains(path, "image-")
	}
	return kill && strings.Contains(path, "/streams/") && !strings.Contains(path, broker.StreamJobs) && !strings.Contains(path, broker.ResetsStream)
}

// placesIn returns the offsets at which to damage a file; for jobs also the ends.
func placesIn(path string, size int) []int {
	if strings.Contains(path, "/"+broker.StreamJobs+"/") {
		return []int{0, size / 2, size - 1}
	}
	return []int{size / 2}
}

// TestOneFlippedBit inverts one bit in each file of a store and starts on it: either all data is kept, or the start fails
// with the name of the file.
func TestOneFlippedBit(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) (string, map[string]string){"stopped": stopped, "killed": killed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stored := make(t)
			for _, path := range files(t, dir) {
				if skip(path, name == "killed") {
					continue
				}
				info, err := os.Stat(filepath.Join(dir, path))
				if err != nil {
					t.Fatal(err)
				}
				places := map[int]bool{}
				for _, at := range placesIn(path, int(info.Size())) {
					if at >= 0 && at < int(info.Size()) {
						places[at] = true
					}
				}
				for _, at := range slices.Sorted(maps.Keys(places)) {
					t.Run(fmt.Sprintf("%s/%d", path, at), func(t *testing.T) {
						t.Parallel()
						dir := copied(t, dir)
						flip(t, filepath.Join(dir, path), at, at%8)
						b, _, err := openDir(t, dir)
						if damage, ok := errors.AsType[*filestore.DamageError](err); ok {
							if !strings.Contains(damage.Error(), path) {
								t.Errorf("the refusal does not name %s: %v", path, damage)
							}
							return
						}
						if err != nil {
							t.Fatalf("it does not start: %v", err)
						}
						defer brokertest.Close(t, b)
						holds(t, b, stored)
					})
				}
			}
		})
	}
}
