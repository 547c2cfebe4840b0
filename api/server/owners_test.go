package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// storedMentions returns the stream and subject of every stored message that mentions one of the texts. Deletion markers
// are skipped.
func (b *bundle) storedMentions(t testing.TB, texts ...string) []string {
	t.Helper()
	var found []string
	streams := b.broker.JetStream().StreamNames(t.Context())
	for name := range streams.Name() {
		stream, err := b.broker.JetStream().Stream(t.Context(), name)
		must(t, err)
		for seq, last := stream.CachedInfo().State.FirstSeq, stream.CachedInfo().State.LastSeq; seq <= last; seq++ {
			msg, err := stream.GetMsg(t.Context(), seq)
			if err != nil || len(msg.Data) == 0 {
				continue
			}
			for _, text := range texts {
				if strings.Contains(msg.Subject+string(msg.Data), text) {
					found = append(found, name+" "+msg.Subject)
				}
			}
		}
	}
	must(t, streams.Err())
	return found
}

// submitAllWays returns a function for every way in which a member can submit a job.
func submitAllWays(t testing.TB, b *bundle, who *session, failed string) []func() *reply {
	t.Helper()
	post := func(path string, body any, options ...option) func() *reply {
		return func() *reply { return b.post(t, path, body, append(options, bearer(who.Token))...) }
	}
	image := fields{"text": "a canary", "type": "image"}
	return []func() *reply{
		post("/api/jobs", goodBody),
		post("/api/jobs", goodBody, idempotencyKey("key")),
		post("/api/jobs", goodBody, idempotencyKey("key")),
		post("/api/generate", image, async),
		post("/api/pollinations/image", fields{"prompt": "a canary"}, async),
		post("/api/translate", fields{"text": "a canary"}, async),
		post("/api/optimize", fields{"text": "a canary"}, async),
		post("/api/jobs/"+failed+"/retry", nil),
		post("/api/jobs/"+failed+"/retry", nil, idempotencyKey("retry")),
	}
}

// TestAccountDeletionDuringSubmissions deletes accounts while their jobs are submitted in every way, and searches the store for
// remaining data afterwards. Neither a worker nor a sweeper runs.
func TestAccountDeletionDuringSubmissions(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]quota.Limits{"without quota": {}, "with quota": {PerMinute: 1000, PerDay: 1000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *server.Config, deps *server.Deps) {
				cfg.MaxSignups, cfg.MaxActiveMember = 0, 0
				deps.Quota = quota.New(deps.Broker, quota.Plans{Media: quota.Plan{Member: limits}, Text: quota.Plan{Member: limits}}, nil)
			})
			var deleted []string
			accepted, rejected := 0, 0
			var mu sync.Mutex
			for round := range 15 {
				member := b.signUp(t, fmt.Sprintf("ann%d@example.org", round))
				failed := memberSpec(member, fmt.Sprintf("failed-%d", round))
				b.settle(t, failed, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
				var wg sync.WaitGroup
				for i, submit := range submitAllWays(t, b, member, failed.ID) {
					wg.Go(func() {
						time.Sleep(time.Duration(i*(round%7)) * 200 * time.Microsecond) // Vary the timing between rounds.
						resp := submit()
						mu.Lock()
						defer mu.Unlock()
						switch resp.StatusCode {
						case http.StatusAccepted, http.StatusOK:
							accepted++
						case http.StatusUnauthorized, http.StatusNotFound:
							rejected++
						default:
							t.Errorf("a submission: %d %s", resp.StatusCode, resp.body)
						}
					})
				}
				wg.Go(func() {
					time.Sleep(time.Duration(round%11) * 300 * time.Microsecond)
					b.auth(t, "delete-account", fields{"password": annPassword}, bearer(member.Token)).expect(t, http.StatusOK)
				})
				wg.Wait()
				deleted = append(deleted, member.User.ID)
				deleted = append(deleted, jobs.MemberCounters([]byte(secret), member.User.ID)...)
			}
			if left := b.storedMentions(t, append(deleted, "a canary")...); len(left) > 0 {
				t.Errorf("%d messages left: %v", len(left), left)
			}
			if accepted == 0 || rejected == 0 {
				t.Errorf("%d accepted, %d rejected: no race occurred", accepted, rejected)
			}
		})
	}
}
