package jobs

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// NewID returns an id for a new job and the moment that it carries, which is the job's time of submission. It fails
// only when the system has no random numbers.
func NewID() (id string, created time.Time, err error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make job id: %w", err)
	}
	id = u.String()
	created, _ = createdAt(id)
	return id, created, nil
}
