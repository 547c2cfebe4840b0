package erasure_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	email    = "ann@example.org"
	password = "correct horse"
	counter  = "ann-counter"
	// hang bounds what normally takes milliseconds.
	hang = time.Minute
)

// rig is an eraser and its stores.
type rig struct {
	broker   *broker.Broker
	accounts *account.Accounts
	queue    *queue.Queue
	store    *store.Store
	jobs     *jobs.Service
	box      *feedback.Box
	quota    *quota.Quota
	eraser   *erasure.Eraser
}

// on opens all stores on a broker, as a process does at its start.
func on(t testing.TB, b *broker.Broker, cfg erasure.Config) *rig {
	t.Helper()
	r := &rig{broker: b}
	var err error
	r.accounts, err = account.New(t.Context(), b, accounttest.Config(t), []byte("a secret of the tests"))
	must(t, err)
	service := jobstest.On(t, b)
	r.queue, r.store, r.jobs = service.Queue, service.Store, service.Jobs
	r.box, err = feedback.New(t.Context(), b)
	must(t, err)
	images, err := gallery.New(t.Context(), b)
	must(t, err)
	r.quota = quota.New(b, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerMinute: 10, PerDay: 10}}}, nil)
	r.eraser = erasure.New(r.accounts, r.jobs, []erasure.Part{
		{Name: "feedback", Erase: r.box.Erase},
		{Name: "saved images", Erase: images.Erase},
		{Name: "jobs", Erase: r.jobs.Erase},
		{Name: "counters", Erase: func(ctx context.Context, _ string) error { return r.quota.Forget(ctx, counter) }},
	}, cfg, slog.New(slog.DiscardHandler))
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// spec returns a job of an owner.
func spec(t testing.TB, owner string) *job.Spec {
	t.Helper()
	id, created, err := jobs.NewID()
	must(t, err)
	return &job.Spec{
		ID: id, Kind: job.KindPrompt, Lane: job.LaneMember, Owner: owner, Input: &job.TextInput{Text: "a canary"},
		CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f",
	}
}

// fill creates an account with data in every store.
func (r *rig) fill(t testing.TB) *account.User {
	t.Helper()
	u, err := r.accounts.Register(t.Context(), "Ann", email, password)
	must(t, err)
	_, _, err = r.accounts.BeginReset(t.Context(), email)
	must(t, err)
	queued, ended := spec(t, u.Owner()), spec(t, u.Owner())
	for _, s := range []*job.Spec{queued, ended} {
		_, _, err := r.jobs.Enqueue(t.Context(), s, false)
		must(t, err)
	}
	r.end(t, ended)
	_, err = r.store.PutProgress(t.Context(), u.Owner(), &job.Progress{ID: queued.ID, Status: job.StatusRunning}, 0)
	must(t, err)
	_, _, err = r.box.Give(t.Context(), feedback.Writer{Owner: u.Owner(), ID: u.ID, Email: u.Email}, "bug", "a canary")
	must(t, err)
	_, err = r.quota.Charge(t.Context(), quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: counter}, ended.ID, 1)
	must(t, err)
	return u
}

// adopt creates a guest with a queued and an ended job, whom an account adopts.
func (r *rig) adopt(t testing.TB, u *account.User) (guest string) {
	t.Helper()
	guest = "g-of-ann"
	queued, ended := spec(t, guest), spec(t, guest)
	for _, s := range []*job.Spec{queued, ended} {
		s.Lane = job.LaneGuest
		_, _, err := r.jobs.Enqueue(t.Context(), s, false)
		must(t, err)
	}
	r.end(t, ended)
	must(t, r.accounts.Adopt(t.Context(), u, guest))
	return guest
}

// end fails a queued job as a worker does, which stores a dead letter.
func (r *rig) end(t testing.TB, s *job.Spec) {
	t.Helper()
	record := &job.Record{Spec: s, Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504), FinishedAt: job.At(time.Now())}
	products := []store.Product{{Media: job.Media{ContentType: "image/png"}, Data: []byte("a canary")}}
	_, _, err := r.jobs.Settle(t.Context(), jobs.Settlement{Record: record, Products: products, Detail: "detail"})
	must(t, err)
}

// left returns the subjects that contain an owner or its counter, or whose messages contain its data; those of empty messages only
// if empty is true.
func (r *rig) left(t testing.TB, owner string, empty bool) []string {
	t.Helper()
	var left []string
	streams := r.broker.JetStream().StreamNames(t.Context())
	for name := range streams.Name() {
		stream, err := r.broker.JetStream().Stream(t.Context(), name)
		must(t, err)
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		must(t, err)
		for subject := range info.State.Subjects {
			msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
			if err != nil || (len(msg.Data) == 0 && !empty) {
				continue
			}
			all := subject + string(msg.Data)
			if strings.Contains(all, owner) || strings.Contains(all, "canary") || strings.Contains(all, counter) {
				left = append(left, name+" "+subject)
			}
		}
	}
	must(t, streams.Err())
	return left
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := on(t, brokertest.Start(t), erasure.Config{})
	u := r.fill(t)
	if n := len(r.left(t, u.Owner(), false)); n < 8 {
		t.Fatalf("only %d subjects to delete", n)
	}
	must(t, r.eraser.Delete(t.Context(), u))
	if left := r.left(t, u.Owner(), false); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	pending, err := r.eraser.Pending(t.Context(), u.Owner())
	if err != nil || !pending {
		t.Errorf("the deletion is not pending: %v", err)
	}
	must(t, r.eraser.Delete(t.Context(), u)) // As from a second tab.
	if _, err := r.accounts.Register(t.Context(), "Ann", email, password); err != nil {
		t.Errorf("register again: %v", err)
	}
	must(t, r.eraser.Sweep(t.Context()))
	if _, err := r.accounts.Login(t.Context(), email, password); err != nil {
		t.Errorf("login to the new account with the address: %v", err)
	}
}

// TestDeletionInterrupted stops the process after each step; the next process completes the deletion.
func TestDeletionInterrupted(t *testing.T) {
	t.Parallel()
	killed := errors.New("killed")
	for _, last := range []erasure.Step{erasure.StepBegin, erasure.StepAccount, erasure.StepErase, erasure.StepMarks} {
		t.Run(string(last), func(t *testing.T) {
			t.Parallel()
			b := brokertest.Start(t)
			// With this grace period, the first sweep is the last.
			cfg := erasure.Config{Grace: time.Nanosecond}
			r := on(t, b, cfg)
			u := r.fill(t)
			r.adopt(t, u)
			r.eraser.WithSteps(func(step erasure.Step) error {
				if step == last {
					return killed
				}
				return nil
			})
			err := r.eraser.Delete(t.Context(), u)
			if last == erasure.StepMarks {
				must(t, err)
				err = r.eraser.Sweep(t.Context())
			}
			if !errors.Is(err, killed) {
				t.Fatalf("not killed: %v", err)
			}
			next := on(t, b, cfg)
			must(t, next.eraser.Sweep(t.Context()))
			if left := next.left(t, u.Owner(), true); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := next.accounts.Login(t.Context(), email, password); !errors.Is(err, account.ErrCredentials) {
				t.Errorf("login to the deleted account: %v", err)
			}
		})
	}
}

// TestDeleteAdopted checks that the works of an adopted guest are deleted with the account, and once more as long as a worker may
// store some.
func TestDeleteAdopted(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	r := on(t, b, erasure.Config{})
	u := r.fill(t)
	guest := r.adopt(t, u)
	must(t, r.eraser.Delete(t.Context(), u))
	if left := r.left(t, guest+".", false); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	_, _, err := r.jobs.Enqueue(t.Context(), spec(t, guest), false)
	must(t, err)
	must(t, r.eraser.Sweep(t.Context()))
	if left := r.left(t, guest+".", false); len(left) > 0 {
		t.Errorf("left behind after a late write: %v", left)
	}
	must(t, on(t, b, erasure.Config{Grace: time.Nanosecond}).eraser.Sweep(t.Context()))
	if left := append(r.left(t, guest, true), r.left(t, u.Owner(), true)...); len(left) > 0 {
		t.Errorf("left behind at the end: %v", left)
	}
}

// TestLateWrites stores data after a deletion, as a concurrent worker and a concurrent request do that are killed right afterwards.
func TestLateWrites(t *testing.T) {
	t.Parallel()
	r := on(t, brokertest.Start(t), erasure.Config{Interval: 10 * time.Millisecond})
	u := r.fill(t)
	r.eraser.Start()
	must(t, r.eraser.Delete(t.Context(), u))
	late, orphan := spec(t, u.Owner()), spec(t, u.Owner())
	_, _, err := r.jobs.Enqueue(t.Context(), late, false)
	must(t, err)
	_, err = r.store.PutMedia(t.Context(), u.Owner(), orphan.ID, job.Media{}, []byte("a canary"))
	must(t, err)
	_, err = r.store.PutProgress(t.Context(), u.Owner(), &job.Progress{ID: orphan.ID, Status: job.StatusRunning}, 0)
	must(t, err)
	must(t, r.store.PutDeadLetter(t.Context(), &job.DeadLetter{Spec: orphan, Error: job.NewError(job.CodeTimeout, 504)}))
	_, _, err = r.box.Give(t.Context(), feedback.Writer{Owner: u.Owner(), ID: u.ID, Email: u.Email}, "bug", "a canary")
	must(t, err)
	_, err = r.quota.Charge(t.Context(), quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: counter}, late.ID, 1)
	must(t, err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(hang); ; <-tick.C {
		left := r.left(t, u.Owner(), false)
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %v", left)
		}
	}
	must(t, r.eraser.Stop(t.Context()))
}

// TestRestoredAccount imports an account again after its deletion, with the same ID: its new jobs must not be erased.
func TestRestoredAccount(t *testing.T) {
	t.Parallel()
	r := on(t, brokertest.Start(t), erasure.Config{})
	u := r.fill(t)
	must(t, r.eraser.Delete(t.Context(), u))
	result, err := r.accounts.Import(t.Context(), &account.User{
		ID: u.ID, Username: "Ann", Email: email, IsActive: true, Password: account.Password{
			Hash: strings.Repeat("ab", 32), Salt: strings.Repeat("cd", 16), Algorithm: "pbkdf2", Iterations: 1000, KeyLength: 32, Digest: "sha256",
		},
	})
	must(t, err)
	s := spec(t, u.Owner())
	_, _, err = r.jobs.Enqueue(t.Context(), s, false)
	must(t, err)
	must(t, r.eraser.Sweep(t.Context()))
	if _, err := r.jobs.Read(t.Context(), []string{u.Owner()}, s.ID); err != nil {
		t.Errorf("a job of the restored account: %v, %+v", err, result)
	}
	if pending, err := r.eraser.Pending(t.Context(), u.Owner()); err != nil || pending {
		t.Errorf("the deletion is still pending: %v", err)
	}
}
