package batch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/singleflight"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// ErrNotFound is returned for a batch that does not exist, has expired or belongs to another owner. It is a jobs.ErrNotFound.
var ErrNotFound = fmt.Errorf("no such batch: %w", jobs.ErrNotFound)

// step names a step of an acceptance or a cancel.
type step string

// The steps of an acceptance, in order.
const (
	stepJobs   step = "jobs"
	stepRecord step = "record"
	stepCharge step = "charge"
	stepCommit step = "commit"
	// stepPublish comes after each job.
	stepPublish  step = "publish"
	stepAccepted step = "accepted"
)

// stepCanceled is the step of a cancel after which its jobs are canceled.
const stepCanceled step = "canceled"

// Service holds the batches of all owners.
type Service struct {
	broker  *broker.Broker
	stream  jetstream.Stream
	records *kv.Bucket[Record]
	marks   *kv.Bucket[mark]
	jobs    *jobs.Service
	log     *slog.Logger
	now     func() time.Time
	locks   locks
	// cancels are the cancels under way in this process, by owner and id of the batch.
	cancels singleflight.Group
	// after is for tests: it is called after each step, and its error stops the work there, as a crash would.
	after func(step) error

	// running ends with Stop, and with it the work in the background, for which Stop waits.
	running context.Context //nolint:containedctx // It is that of the process, not of a call.
	stop    context.CancelFunc
	done    sync.WaitGroup
	failing bool // whether the latest sweep failed; only the sweeper uses it
}

// mark marks a batch whose jobs are being canceled.
type mark struct {
	V  int      `json:"v"`
	At job.Time `json:"at"`
}

// New returns the batches stored in a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker, service *jobs.Service, log *slog.Logger) (*Service, error) {
	stream, err := b.JetStream().Stream(ctx, broker.BatchesStream)
	if err != nil {
		return nil, fmt.Errorf("open batches: %w", err)
	}
	running, stop := context.WithCancel(context.Background())
	return &Service{
		running: running, stop: stop,
		broker: b, stream: stream, jobs: service, log: log, now: time.Now,
		records: kv.New(b.JetStream(), stream, kv.Config[Record]{Name: "batch", Check: (*Record).check}),
		marks: kv.New(b.JetStream(), stream, kv.Config[mark]{
			Name: "mark of a batch", Check: func(m *mark) error { return kv.CheckVersion(m.V) },
		}),
	}, nil
}

func (s *Service) passed(at step) error {
	if s.after == nil {
		return nil
	}
	return s.after(at)
}

// Batch is a batch with its owner.
type Batch struct {
	Owner string
	Record
}

// Get returns the batch with an id that belongs to one of the owners. It fails with ErrNotFound and costs one request for each owner.
func (s *Service) Get(ctx context.Context, owners []string, id string) (*Batch, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	for _, owner := range owners {
		e, err := s.records.Get(ctx, broker.BatchSubject(owner, id))
		switch {
		case errors.Is(err, kv.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		case !e.Value.accepted():
			continue
		}
		return &Batch{Owner: owner, Record: e.Value}, nil
	}
	return nil, ErrNotFound
}

// Position is the position of a batch in a list, which is ordered by time of submission, newest first.
type Position struct {
	CreatedAt time.Time
	ID        string
}

func (p Position) compare(other Position) int {
	if c := other.CreatedAt.Compare(p.CreatedAt); c != 0 {
		return c
	}
	return strings.Compare(other.ID, p.ID)
}

// List returns up to limit batches of owners, newest first, that follow a position, or the newest ones if that is zero. more reports
// whether others follow. It costs one request for each owner, and one for each hundred of its batches.
func (s *Service) List(ctx context.Context, owners []string, after Position, limit int) (list []*Batch, more bool, err error) {
	for _, owner := range owners {
		info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(broker.OwnerBatchesSubject(owner)))
		if err != nil {
			return nil, false, fmt.Errorf("list batches of owner: %w", err)
		}
		subjects := make([]string, 0, len(info.State.Subjects))
		for subject := range info.State.Subjects {
			subjects = append(subjects, subject)
		}
		const readAtOnce = 100
		for part := range slices.Chunk(subjects, readAtOnce) {
			entries, err := s.records.List(ctx, part...)
			if err != nil {
				return nil, false, err
			}
			for _, e := range entries {
				switch {
				case errors.Is(e.Err, kv.ErrNewer):
				case e.Err != nil:
					return nil, false, e.Err
				case e.Value.accepted() && (after.ID == "" || e.Value.position().compare(after) > 0):
					list = append(list, &Batch{Owner: owner, Record: e.Value})
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b *Batch) int { return a.position().compare(b.position()) })
	if len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}

func (r *Record) position() Position { return Position{r.CreatedAt.Time, r.ID} }

// Jobs returns those jobs of a batch that are still stored, by id. It costs as much as jobs.Service.ReadAll.
func (s *Service) Jobs(ctx context.Context, b *Batch) (map[string]*job.Snapshot, error) {
	return s.jobs.ReadAll(ctx, b.Owner, b.JobIDs())
}

// Erase removes the batches of an owner, but not their jobs. It is idempotent and costs one request.
func (s *Service) Erase(ctx context.Context, owner string) error {
	return s.records.Purge(ctx, broker.OwnerBatchDataSubject(owner))
}

// blob describes the stored jobs of a batch.
func (s *Service) blob(owner string, r *Record) chunk.Blob {
	return chunk.Blob{
		Subject: func(n int) string { return broker.BatchJobsSubject(owner, r.ID, r.attempt(), n) }, Bytes: r.Bytes, ChunkBytes: r.ChunkBytes,
	}
}

// putJobs stores the jobs of a batch, which are durable once its record is.
func (s *Service) putJobs(ctx context.Context, owner string, r *Record, specs []*job.Spec) error {
	var data bytes.Buffer
	for _, spec := range specs {
		encoded, err := spec.Encode()
		if err != nil {
			return err
		}
		data.Write(encoded)
		data.WriteByte('\n')
	}
	r.Bytes, r.ChunkBytes = int64(data.Len()), chunk.Size
	err := s.broker.WriteFirst(ctx, broker.BatchesStream, func(ctx context.Context) error {
		return chunk.New(s.broker.Buffered(), s.stream).Put(ctx, s.blob(owner, r).Subject, data.Bytes())
	})
	if err != nil {
		if broker.NoRoom(err) || broker.TooMany(err) {
			err = fmt.Errorf("%w: %w", kv.ErrFull, err)
		}
		return fmt.Errorf("store jobs of a batch: %w", err)
	}
	return nil
}

// readJobs returns the stored jobs of a batch. It fails with chunk.ErrMissing when they were removed, because all are in the queue.
func (s *Service) readJobs(ctx context.Context, owner string, r *Record) ([]*job.Spec, error) {
	in := bufio.NewReader(chunk.New(s.broker.JetStream(), s.stream).Open(ctx, s.blob(owner, r)))
	var specs []*job.Spec
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read jobs of a batch: %w", err)
		}
		spec, err := job.DecodeSpec(line)
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	if len(specs) != r.Jobs {
		return nil, fmt.Errorf("read jobs of a batch: %d of %d", len(specs), r.Jobs)
	}
	return specs, nil
}

// removeJobs removes the stored jobs of a batch.
func (s *Service) removeJobs(ctx context.Context, owner, id, attempt string) error {
	return s.records.Purge(ctx, broker.AllBatchJobsSubject(owner, id, attempt))
}

// locks lets the acceptances of one owner follow each other within this process, so that its limit of active jobs holds.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock acquires the lock of a name and returns the function that releases it. It fails when ctx ends first.
func (l *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		busy, ok := l.held[name]
		if !ok {
			if l.held == nil {
				l.held = make(map[string]chan struct{})
			}
			released := make(chan struct{})
			l.held[name] = released
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, name)
				l.mu.Unlock()
				close(released)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another batch: %w", context.Cause(ctx))
		}
	}
}
