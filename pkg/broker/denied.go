package broker

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// deniedFor is for how long a subject counts as denied: the permissions of a user may change.
	deniedFor = 10 * time.Minute
	// maxDenied bounds the subjects that are remembered.
	maxDenied = 64
)

// denials holds the subjects to which the user of this process was not permitted to publish, and when NATS said so.
type denials struct {
	mu sync.Mutex
	at map[string]time.Time
}

// note remembers the subject of a permission violation; other errors are ignored.
func (d *denials) note(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	// The client passes on the text of the server, and nothing else.
	_, rest, found := strings.Cut(err.Error(), `Publish to "`)
	subject, _, _ := strings.Cut(rest, `"`)
	if !found || subject == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at == nil || len(d.at) >= maxDenied {
		d.at = make(map[string]time.Time)
	}
	d.at[subject] = time.Now()
}

// Denied reports whether the user of this process was not permitted to publish to a subject that starts with prefix in the last ten
// minutes. NATS does not answer such a message, so that its sender waits in vain. It makes no request.
func (b *Broker) Denied(prefix string) bool {
	b.denials.mu.Lock()
	defer b.denials.mu.Unlock()
	for subject, at := range b.denials.at {
		if strings.HasPrefix(subject, prefix) && time.Since(at) < deniedFor {
			return true
		}
	}
	return false
}
