package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestDeletedAccountLeavesNoData deletes an account while its jobs run: some images are finished, others in progress. A new
// account with the same email address finds no job, and no data of the old account is stored.
func TestDeletedAccountLeavesNoData(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "PBKDF2_ITERATIONS=1", "WORKER_SLOTS_IMAGE=2")
	accounttest.AllowWeakHashes(t)
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	if err := i.Simulator().Script(
		simulator.Rule{Kind: simulator.KindImage, Times: 1}, simulator.Rule{Kind: simulator.KindImage, Hold: true},
	); err != nil {
		t.Fatal(err)
	}
	var who struct{ User struct{ ID string } }
	i.Do(t, http.MethodGet, "/api/auth/validate", nil, signed).Decode(t, &who)
	var jobs []apptest.Job
	for _, key := range []string{"one", "two", "three", "four"} {
		jobs = append(jobs, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a canary", "n": 2}}, signed, "Idempotency-Key: "+key))
	}
	i.awaitCalls(t, 2)
	if resp := i.Do(t, http.MethodPost, "/api/auth/delete-account", fields{"password": "correct horse"}, signed); resp.StatusCode != http.StatusOK {
		t.Fatalf("delete: %d %s", resp.StatusCode, resp.Data)
	}
	i.Simulator().Release()
	again := i.signUp(t, "ann@example.org", "correct horse")
	// A later job of another account ends after the worker has finished with the deleted jobs.
	later := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a boat"}}, again)
	i.waitSigned(t, later.ID, again)
	for _, j := range jobs {
		for _, caller := range []string{signed, again, ""} {
			var headers []string
			want := http.StatusNotFound
			if caller != "" {
				headers = []string{caller}
			}
			if caller == signed {
				want = http.StatusUnauthorized
			}
			if resp := i.Do(t, http.MethodGet, "/api/jobs/"+j.ID, nil, headers...); resp.StatusCode != want {
				t.Errorf("a job of the deleted account: %d %s", resp.StatusCode, resp.Data)
			}
		}
	}
	names := i.Broker().JetStream().StreamNames(t.Context())
	for name := range names.Name() {
		stream, err := i.Broker().JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for seq, last := stream.CachedInfo().State.FirstSeq, stream.CachedInfo().State.LastSeq; seq <= last; seq++ {
			msg, err := stream.GetMsg(t.Context(), seq)
			if err != nil {
				continue // The message was deleted.
			}
			if strings.Contains(string(msg.Data), "canary") || strings.Contains(string(msg.Data), who.User.ID) {
				t.Errorf("%s still has %s: %.200s", name, msg.Subject, msg.Data)
			}
			if len(msg.Data) > 0 && strings.Contains(msg.Subject, who.User.ID) {
				t.Errorf("%s still has %s", name, msg.Subject)
			}
		}
	}
	if names.Err() != nil {
		t.Fatal(names.Err())
	}
}
