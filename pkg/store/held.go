package store

import (
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// heldProgress is the progress that is kept in this process and not in NATS, by subject.
type heldProgress struct {
	mu        sync.Mutex
	bySubject map[string]*job.Progress
}

// HoldProgress keeps the progress of a job in this process only, where the reads of this Store see it, with the revision 0, until
// ReleaseProgress. A crash loses it. It must not be changed any more. It costs no request.
func (s *Store) HoldProgress(owner string, p *job.Progress) {
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	if s.held.bySubject == nil {
		s.held.bySubject = make(map[string]*job.Progress)
	}
	s.held.bySubject[broker.ProgressSubject(owner, p.ID)] = p
}

// ReleaseProgress ends the keeping of a progress by HoldProgress.
func (s *Store) ReleaseProgress(owner, id string) {
	s.held.mu.Lock()
	defer s.held.mu.Unlock()
	delete(s.held.bySubject, broker.ProgressSubject(owner, id))
}

// get returns the progress of a subject, nil if none is held.
func (h *heldProgress) get(subject string) *job.Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bySubject[subject]
}
