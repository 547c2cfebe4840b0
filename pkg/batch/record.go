package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// MaxJobs is how many jobs a batch can have. It fits into the 12 bits of the ids of jobs.
const MaxJobs = 1000

// State is how far the acceptance of a batch has come.
type State string

// The states.
const (
	// StateCharging is the state of a batch that is not accepted yet.
	StateCharging State = "charging"
	// StateAccepting is the state of an accepted batch whose jobs are not all in the queue yet.
	StateAccepting State = "accepting"
	StateAccepted  State = "accepted"
	// StateAbandoned is the state of a batch that will not be accepted, until its charge is reversed.
	StateAbandoned State = "abandoned"
)

// Record is a batch as stored. It holds nothing of what its jobs contain.
type Record struct {
	V         int      `json:"v"`
	ID        string   `json:"id"`
	State     State    `json:"state"`
	CreatedAt job.Time `json:"created_at"`
	// CanceledAt is when the batch was canceled, if it was.
	CanceledAt *job.Time `json:"canceled_at,omitempty"`
	// RetriedFrom is the batch whose failed and canceled jobs this one repeats, if any.
	RetriedFrom string `json:"retried_from,omitempty"`
	// Fingerprint identifies the request as received.
	Fingerprint string `json:"fingerprint"`
	// Seed and the time of submission determine the ids of the Jobs jobs.
	Seed string `json:"seed"`
	Jobs int    `json:"jobs"`
	// Bytes is the size of the stored jobs, in chunks of ChunkBytes.
	Bytes      int64         `json:"bytes"`
	ChunkBytes int           `json:"chunk_bytes"`
	Charges    []*quota.Bulk `json:"charges,omitempty"`
}

func (r *Record) check() error {
	if err := kv.CheckVersion(r.V); err != nil {
		return err
	}
	if !job.ValidToken(r.ID) || r.Jobs < 1 || r.Jobs > MaxJobs || r.Seed == "" || r.CreatedAt.IsZero() {
		return errors.New("incomplete")
	}
	return nil
}

// accepted reports whether the batch is accepted, even if its jobs are not all in the queue yet.
func (r *Record) accepted() bool { return r.State == StateAccepting || r.State == StateAccepted }

// attempt distinguishes the acceptance from that of an earlier batch under the same key.
func (r *Record) attempt() string { return r.Seed }

// JobIDs returns the ids of the jobs in the order of the request.
func (r *Record) JobIDs() []string {
	ids := make([]string, r.Jobs)
	for i := range ids {
		ids[i] = jobID(r.Seed, r.CreatedAt.Time, i)
	}
	return ids
}

// jobID returns the id of a job of a batch: a UUIDv7 with the time of submission, and the index, so that lists of jobs have them in
// order. The rest follows from the seed, which is random.
func jobID(seed string, created time.Time, index int) string {
	sum := sha256.Sum256([]byte(seed + "." + strconv.Itoa(index)))
	id := uuid.UUID(sum[:16])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(created.UnixMilli()))
	copy(id[:6], ms[2:])
	binary.BigEndian.PutUint16(id[6:], 7<<12|uint16(index)) //nolint:gosec // The index is below MaxJobs.
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
