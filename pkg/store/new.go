package store

import (
	"sync"

	"github.com/google/uuid"
)

// maxNew bounds the ids that newJobs keeps, to some four megabytes.
const maxNew = 128 << 10

// newJobs are the ids of jobs that this process has created and for which it has not stored a record yet.
type newJobs struct {
	mu  sync.Mutex
	ids map[uuid.UUID]struct{}
}

// AddNew notes that a job with a new random id is about to be added to the queue by this process. Its first delivery then need not look
// for a record, see TakeNew. It costs no request; if too many such jobs wait, earlier ones are forgotten.
func (s *Store) AddNew(id string) {
	key, err := uuid.Parse(id)
	if err != nil {
		return
	}
	s.created.mu.Lock()
	defer s.created.mu.Unlock()
	if s.created.ids == nil || len(s.created.ids) >= maxNew {
		s.created.ids = make(map[uuid.UUID]struct{})
	}
	s.created.ids[key] = struct{}{}
}

// TakeNew reports whether a job is known to have no record: this process has created it, and nothing in this process has begun to end
// it, nor called TakeNew for it, since then. Where NATS runs in the process, only a worker that got the job can have ended it otherwise.
func (s *Store) TakeNew(id string) bool {
	key, err := uuid.Parse(id)
	if err != nil {
		return false
	}
	s.created.mu.Lock()
	defer s.created.mu.Unlock()
	_, found := s.created.ids[key]
	delete(s.created.ids, key)
	return found
}
