package control_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func build(host, commit string, at int) control.Deployment {
	return control.Deployment{
		Version: "0.1.0", Commit: commit, BuildTime: "unknown", GoVersion: "go1.26", Host: host,
		StartedAt: job.At(time.Date(2026, 11, 28, 10, 0, at, 0, time.UTC)),
	}
}

// TestDeployments deploys a build on two hosts, restarts it, and rolls it back on one.
func TestDeployments(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	for i, step := range []struct{ host, commit, previous string }{
		{"a", "one", ""}, {"b", "one", "one"}, {"a", "one", "one"}, {"a", "two", "one"}, {"b", "two", "two"}, {"a", "one", "two"}, {"a", "one", "one"},
	} {
		previous, err := s.RecordDeployment(t.Context(), build(step.host, step.commit, i))
		if err != nil || (previous == nil) != (step.previous == "") || (previous != nil && previous.Commit != step.previous) {
			t.Fatalf("step %d: %+v, %v", i, previous, err)
		}
	}
	list, err := s.Deployments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, d := range list {
		got += fmt.Sprintf("%s/%s %d-%d x%d, ", d.Host, d.Commit, d.StartedAt.Second(), d.LastStartedAt.Second(), d.Starts)
	}
	if want := "a/one 5-6 x2, b/two 4-4 x1, a/two 3-3 x1, a/one 0-2 x2, b/one 1-1 x1, "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDeploymentsAreBounded records more deployments than are kept, several concurrently.
func TestDeploymentsAreBounded(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range 60 {
				if _, err := s.RecordDeployment(t.Context(), build(fmt.Sprintf("%d-%d", n, i), "c", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			for i := range 3 {
				if _, err := s.RecordDeployment(t.Context(), build("same", "c", 59+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if _, err := s.RecordDeployment(t.Context(), build("last", "c", 70)); err != nil {
		t.Fatal(err)
	}
	list, err := s.Deployments(t.Context())
	if err != nil || len(list) != 200 || list[0].Host != "last" {
		t.Fatalf("%d entries, the first %+v, %v", len(list), list[0], err)
	}
	// A restart adds no entry, so none is removed.
	oldest := list[len(list)-1]
	if _, err := s.RecordDeployment(t.Context(), build("last", "c", 71)); err != nil {
		t.Fatal(err)
	}
	if list, err = s.Deployments(t.Context()); err != nil || len(list) != 200 || list[199].Host != oldest.Host || list[0].Starts != 2 {
		t.Errorf("after a restart: %d entries, the oldest %+v, %v", len(list), list[len(list)-1], err)
	}
}
