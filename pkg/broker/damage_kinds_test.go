package broker_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// streamDir is the directory of a stream in DATA_DIR.
func streamDir(name string) string { return filepath.Join("nats", "jetstream", "$G", "streams", name) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// truncate truncates a file to a fraction of its size.
func truncate(t *testing.T, path string, numerator, denominator int64) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, info.Size()*numerator/denominator))
}

// withoutRecords removes the files that older versions do not write.
func withoutRecords(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"streams.json", "stopped.json"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// TestDamageIsRepaired damages files that can be restored without loss.
func TestDamageIsRepaired(t *testing.T) {
	t.Parallel()
	jobs := streamDir(broker.StreamJobs)
	consumer := filepath.Join(jobs, "obs", broker.ConsumerName(job.KindImage, job.LaneGuest))
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		// text is part of the log and of the repair.
		text string
	}{
		"configuration of a stream": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, jobs, "meta.inf"), 20, 1) }, "stream JOBS"},
		"its checksum":              {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, jobs, "meta.sum"), 3, 1) }, "stream JOBS"},
		"its checksum is missing":   {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, jobs, "meta.sum"))) }, "stream JOBS"},
		"both are empty": {func(t *testing.T, dir string) {
			truncate(t, filepath.Join(dir, jobs, "meta.inf"), 0, 1)
			truncate(t, filepath.Join(dir, jobs, "meta.sum"), 0, 1)
		}, "stream JOBS"},
		"configuration of a consumer": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, consumer, "meta.inf"), 20, 1) }, "consumer worker-image-guest"},
		"configuration of a consumer, unknown": {func(t *testing.T, dir string) {
			withoutRecords(t, dir)
			flip(t, filepath.Join(dir, consumer, "meta.inf"), 20, 1)
		}, "consumer worker-image-guest"},
		"state of a consumer": {func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, consumer, "o.dat"), 1, 2) }, "state of consumer worker-image-guest"},
		"state of a consumer, unknown": {func(t *testing.T, dir string) {
			withoutRecords(t, dir)
			must(t, os.WriteFile(filepath.Join(dir, consumer, "o.dat"), []byte("nonsense"), 0o600))
		}, "state of consumer worker-image-guest"},
		"list of streams": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "streams.json"), 100, 1) }, "list of streams"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stored := stopped(t)
			c.damage(t, dir)
			b, log, err := openDir(t, dir)
			must(t, err)
			defer brokertest.Close(t, b)
			if !strings.Contains(log.String(), c.text) || !strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log does not contain %q:\n%s", c.text, log)
			}
			repair, err := b.LastRepair(t.Context())
			if err != nil || repair == nil || !strings.Contains(strings.Join(repair.What, "\n"), c.text) || repair.At.IsZero() {
				t.Errorf("the repair is not reported: %+v, %v", repair, err)
			}
			if loss, err := b.LastDataLoss(t.Context()); loss != nil || err != nil {
				t.Errorf("a loss is reported: %+v, %v", loss, err)
			}
			if aside, _ := filepath.Glob(filepath.Join(dir, "damaged", "*")); len(aside) != 1 {
				t.Errorf("damaged files are kept in %v", aside)
			}
			holds(t, b, stored)
		})
	}
}

// TestConsumerThatSkipsJobs has a consumer whose state has more deliveries than there are messages. The state is valid, so only
// the numbers of the server show the damage.
func TestConsumerThatSkipsJobs(t *testing.T) {
	t.Parallel()
	dir, stored := stopped(t)
	withoutRecords(t, dir)
	path := filepath.Join(dir, streamDir(broker.StreamJobs), "obs", broker.ConsumerName(job.KindImage, job.LaneGuest), "o.dat")
	// The state has no acknowledgement, one delivery far ahead, and nothing pending.
	must(t, os.WriteFile(path, []byte{22, 2, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0}, 0o600))
	b, log, err := openDir(t, dir)
	must(t, err)
	defer brokertest.Close(t, b)
	if !strings.Contains(log.String(), "skips jobs") {
		t.Errorf("the repair is not logged:\n%s", log)
	}
	holds(t, b, stored)
}

// TestDamageIsRefused damages files whose data is lost. With DATA_LOSS=accept, all other data is kept.
func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	jobs := streamDir(broker.StreamJobs)
	block := filepath.Join(jobs, "msgs", "2.blk") // The first one is dropped when the stream is made.
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		// names is part of the error.
		names string
		// lost is how many jobs may be missing after the loss is accepted.
		lost int
	}{
		"record in the middle": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, block), 700, 1) }, block, 1},
		"record in the middle, after a kill": {func(t *testing.T, dir string) {
			withoutRecords(t, dir)
			flip(t, filepath.Join(dir, block), 700, 1)
		}, block, 1},
		"block cut off":      {func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, block), 1, 2) }, block, 13},
		"block removed":      {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, block))) }, block, 24},
		"messages removed":   {func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, jobs, "msgs"))) }, filepath.Join(jobs, "msgs"), 24},
		"stream removed":     {func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, jobs))) }, jobs, 24},
		"everything removed": {func(t *testing.T, dir string) { must(t, os.RemoveAll(filepath.Join(dir, "nats"))) }, jobs, -1},
		"configuration, no copy yet": {func(t *testing.T, dir string) {
			withoutRecords(t, dir)
			flip(t, filepath.Join(dir, jobs, "meta.inf"), 20, 1)
		}, filepath.Join(jobs, "meta.inf"), 24},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stored := stopped(t)
			c.damage(t, dir)
			before := files(t, dir)
			for range 2 {
				_, _, err := openDir(t, dir)
				damage, ok := errors.AsType[*filestore.DamageError](err)
				if !ok || !strings.Contains(damage.Error(), c.names) || !strings.Contains(damage.Error(), "DATA_LOSS=accept") {
					t.Fatalf("want a refusal that names %s, got %v", c.names, err)
				}
			}
			if after := files(t, dir); !slices.Equal(before, after) {
				t.Errorf("the refusal has changed the store: %v, before %v", after, before)
			}

			b, log, err := openDir(t, dir, accept)
			must(t, err)
			if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), c.names) {
				t.Errorf("the log does not name %s:\n%s", c.names, log)
			}
			loss, err := b.LastDataLoss(t.Context())
			if err != nil || loss == nil || !slices.Contains(loss.Streams, broker.StreamJobs) {
				t.Errorf("the loss is not reported: %+v, %v", loss, err)
			}
			everything(t, b)
			missing := 0
			for subject := range stored {
				stream, err := b.JetStream().StreamNameBySubject(t.Context(), subject)
				must(t, err)
				_, err = broker.LeaderLast(t.Context(), b.JetStream(), stream, subject)
				switch {
				case errors.Is(err, jetstream.ErrMsgNotFound) && (stream == broker.StreamJobs || c.lost < 0):
					missing++
				case err != nil:
					t.Errorf("%s: %v", subject, err)
				}
			}
			if c.lost >= 0 && missing > c.lost {
				t.Errorf("%d jobs are missing, want at most %d", missing, c.lost)
			}
			// New jobs are delivered, whatever the consumers know of lost ones.
			subject := broker.JobSubject(job.KindAudio, job.LaneMember, "owner", "new")
			_, err = b.JetStream().Publish(t.Context(), subject, []byte("new"))
			must(t, err)
			for got := ""; got != subject; {
				got = take(t, b, job.KindAudio, job.LaneMember, true)
			}
			brokertest.Close(t, b)

			again, log, err := openDir(t, dir)
			must(t, err)
			brokertest.Close(t, again)
			if strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("the next start logs a warning:\n%s", log)
			}
		})
	}
}

// TestTornWriteIsNoDamage truncates the last block within a record, as a crash during a write does: the message was never
// acknowledged.
func TestTornWriteIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, tail := range map[string]func(record []byte) []byte{
		"header":  func(r []byte) []byte { return r[:10] },
		"body":    func(r []byte) []byte { return r[:len(r)-5] },
		"zeros":   func([]byte) []byte { return make([]byte, 100) },
		"partial": func(r []byte) []byte { return append(r[:30:30], make([]byte, 64)...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stored := killed(t)
			path := filepath.Join(dir, streamDir(broker.StreamJobs), "msgs", "2.blk")
			data, err := os.ReadFile(path)
			must(t, err)
			length := int(data[0]) | int(data[1])<<8
			must(t, os.WriteFile(path, append(data, tail(data[:length])...), 0o600))
			b, log, err := openDir(t, dir)
			must(t, err)
			defer brokertest.Close(t, b)
			if strings.Contains(log.String(), "damaged") {
				t.Errorf("it is reported as damage:\n%s", log)
			}
			holds(t, b, stored)
		})
	}
}

// TestOtherVersions opens a store of an older version, and one that an older version has changed since.
func TestOtherVersions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, dir string){
		"first start of this version": func(t *testing.T, dir string) { withoutRecords(t, dir) },
		"version before in between": func(t *testing.T, dir string) {
			// It writes the lock, but its writes to the store are not in the records.
			must(t, os.WriteFile(filepath.Join(dir, "lock"), []byte("1\n"), 0o600))
			b, _, err := openDir(t, dir)
			must(t, err)
			records := map[string][]byte{}
			for _, name := range []string{"streams.json"} {
				records[name], err = os.ReadFile(filepath.Join(dir, name))
				must(t, err)
			}
			_, err = b.JetStream().Publish(t.Context(), broker.JobSubject(job.KindImage, job.LaneGuest, "owner", "between"), nil)
			must(t, err)
			brokertest.Close(t, b)
			must(t, os.WriteFile(filepath.Join(dir, "lock"), []byte("2\n"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, stored := stopped(t)
			change(t, dir)
			b, log, err := openDir(t, dir)
			must(t, err)
			defer brokertest.Close(t, b)
			if strings.Contains(log.String(), "level=ERROR") {
				t.Errorf("a warning is logged:\n%s", log)
			}
			for subject := range stored {
				stream, err := b.JetStream().StreamNameBySubject(t.Context(), subject)
				must(t, err)
				if _, err := broker.LeaderLast(t.Context(), b.JetStream(), stream, subject); err != nil {
					t.Errorf("%s: %v", subject, err)
				}
			}
		})
	}
}
