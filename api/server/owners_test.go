package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// leftOf returns the subjects of everything that is stored and names one of the given texts, marks without content aside.
func (b *bundle) storedMentions(t testing.TB, names ...string) []string {
	t.Helper()
	var left []string
	streams := b.broker.JetStream().StreamNames(t.Context())
	for name := range streams.Name() {
		stream, err := b.broker.JetStream().Stream(t.Context(), name)
		must(t, err)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		must(t, err)
		for subject := range info.State.Subjects {
			msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
			if err != nil || len(msg.Data) == 0 {
				continue
			}
			for _, text := range names {
				if strings.Contains(msg.Subject+string(msg.Data), text) {
					left = append(left, name+" "+msg.Subject)
				}
			}
		}
	}
	must(t, streams.Err())
	return left
}

// submissions returns requests that each make a job, by every way there is for a member.
func submitAllWays(t testing.TB, b *bundle, who *session, failed string) []func() *reply {
	t.Helper()
	by := bearer(who.Token)
	post := func(path string, body any, options ...option) func() *reply {
		return func() *reply { return b.request(t, http.MethodPost, path, body, append(options, by)...) }
	}
	async := header("Prefer", "respond-async")
	image := fields{"text": "a canary", "type": "image"}
	return []func() *reply{
		post("/api/jobs", goodBody),
		post("/api/jobs", goodBody, header("Idempotency-Key", "key")),
		post("/api/jobs", goodBody, header("Idempotency-Key", "key")),
		post("/api/generate", image, async),
		post("/api/pollinations/image", fields{"prompt": "a canary"}, async),
		post("/api/translate", fields{"text": "a canary"}, async),
		post("/api/optimize", fields{"text": "a canary"}, async),
		post("/api/jobs/"+failed+"/retry", nil),
		post("/api/jobs/"+failed+"/retry", nil, header("Idempotency-Key", "retry")),
	}
}

// TestAccountDeletionDuringSubmissions deletes accounts while their jobs are submitted, by every way in, and looks for what is left
// once all of it is answered. There is neither a worker nor a sweeper.
func TestAccountDeletionDuringSubmissions(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]quota.Limits{"without quota": {}, "with quota": {PerMinute: 1000, PerDay: 1000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *server.Config, deps *server.Deps) {
				cfg.MaxSignups, cfg.MaxActiveMember = 0, 0
				deps.Quota = quota.New(deps.Broker, quota.Plans{Media: quota.Plan{Member: limits}, Text: quota.Plan{Member: limits}}, nil)
			})
			var gone []string
			accepted, refused := 0, 0
			var mu sync.Mutex
			for round := range 15 {
				who := b.signUp(t, fmt.Sprintf("ann%d@example.org", round))
				failed := memberSpec(who, fmt.Sprintf("failed-%d", round))
				b.settle(t, failed, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
				var wg sync.WaitGroup
				for i, submit := range submitAllWays(t, b, who, failed.ID) {
					wg.Go(func() {
						time.Sleep(time.Duration(i*(round%7)) * 200 * time.Microsecond) // So that the rounds differ.
						resp := submit()
						mu.Lock()
						defer mu.Unlock()
						switch resp.StatusCode {
						case http.StatusAccepted, http.StatusOK:
							accepted++
						case http.StatusUnauthorized, http.StatusNotFound:
							refused++
						default:
							t.Errorf("a submission: %d %s", resp.StatusCode, resp.body)
						}
					})
				}
				wg.Go(func() {
					time.Sleep(time.Duration(round%11) * 300 * time.Microsecond)
					b.auth(t, "delete-account", fields{"password": annPassword}, bearer(who.Token)).expect(t, http.StatusOK)
				})
				wg.Wait()
				gone = append(gone, who.User.ID)
				gone = append(gone, jobs.MemberCounters([]byte(secret), who.User.ID)...)
			}
			if left := b.storedMentions(t, append(gone, "a canary")...); len(left) > 0 {
				t.Errorf("left behind: %d: %v", len(left), left)
			}
			if accepted == 0 || refused == 0 {
				t.Errorf("%d accepted, %d refused: there was no race", accepted, refused)
			}
		})
	}
}
