package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
)

// TestAccountDeletionRacesSubmissions deletes accounts through one API process while jobs are submitted through two and run by
// a worker.
func TestAccountDeletionRacesSubmissions(t *testing.T) {
	t.Parallel()
	s := startCluster(t)
	var apis []*instance
	for range 2 {
		cfg := s.api(t, s.address(), "SIGNUPS_PER_HOUR=0", "PBKDF2_ITERATIONS=1", "MAX_ACTIVE_JOBS_MEMBER=0")
		accounttest.AllowWeakHashes(t)
		cfg.SetHooks(func(h *hooks.App) { h.Erasure.Interval = 50 * time.Millisecond })
		apis = append(apis, start(t, cfg))
	}
	var deleted []string
	for round := range 40 {
		signed := apis[round%2].signUp(t, fmt.Sprintf("ann%d@example.org", round), "correct horse")
		var who struct{ User struct{ ID string } }
		apis[0].Do(t, http.MethodGet, "/api/auth/validate", nil, signed).Decode(t, &who)
		deleted = append(deleted, who.User.ID)
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() {
				api, headers := apis[n%2], []string{signed, "Prefer: respond-async"}
				path, body := "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "a canary", "width": 64, "height": 64}}
				switch n / 2 {
				case 1:
					headers = append(headers, "Idempotency-Key: the-key")
				case 2:
					path, body = "/api/translate", fields{"text": "a canary"}
				}
				resp := api.Do(t, http.MethodPost, path, body, headers...)
				switch resp.StatusCode {
				case http.StatusOK, http.StatusAccepted, http.StatusUnauthorized, http.StatusNotFound:
				default:
					t.Errorf("a submission: %d %s", resp.StatusCode, resp.Data)
				}
			})
		}
		wg.Go(func() {
			time.Sleep(time.Duration(round%13) * time.Millisecond) // So that the rounds differ.
			if resp := apis[1].Do(t, http.MethodPost, "/api/auth/delete-account", fields{"password": "correct horse"}, signed); resp.StatusCode != http.StatusOK {
				t.Errorf("delete: %d %s", resp.StatusCode, resp.Data)
			}
		})
		wg.Wait()
	}
	// A worker that runs a deleted job discards its result at the end.
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(hang); ; <-tick.C {
		left := s.storedSubjects(t, append(deleted, "a canary"))
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %d: %v", len(left), left)
		}
	}
}

// storedSubjects returns the subjects of stored messages that contain one of the texts in their subject or data. Deletion
// markers have no data and are ignored.
func (s *cluster) storedSubjects(t *testing.T, texts []string) []string {
	t.Helper()
	var left []string
	names := s.nats.JetStream().StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := s.nats.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		if err != nil {
			t.Fatal(err)
		}
		for subject := range info.State.Subjects {
			msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
			if err != nil || len(msg.Data) == 0 {
				continue
			}
			for _, text := range texts {
				if strings.Contains(subject+string(msg.Data), text) {
					left = append(left, name+" "+subject)
					break
				}
			}
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
	return left
}
