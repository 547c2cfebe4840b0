package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Deployment is one entry of the deployment history: a build with which an API process was started on a host. Consecutive
// starts of the same build on a host are counted in one entry, so that restarts do not displace older deployments.
type Deployment struct {
	V         int    `json:"v"`
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	BuildTime string `json:"build_time"`
	GoVersion string `json:"go_version"`
	Host      string `json:"host"`
	// StartedAt and LastStartedAt are the times of the first and the last start, and Starts is their number.
	StartedAt     job.Time `json:"started_at"`
	LastStartedAt job.Time `json:"last_started_at"`
	Starts        int      `json:"starts"`

	// key and revision identify the stored entry.
	key      string
	revision uint64
}

// sameBuild reports whether two entries have the same build.
func (d Deployment) sameBuild(other Deployment) bool {
	return d.Version == other.Version && d.Commit == other.Commit && d.BuildTime == other.BuildTime
}

const (
	// maxDeployments and deploymentAge bound the history.
	maxDeployments = 200
	deploymentAge  = 400 * 24 * time.Hour
)

func deploymentTTL(*Deployment) time.Duration { return deploymentAge }

func (d *Deployment) check() error {
	return checkState(d.V, d.Host != "")
}

// RecordDeployment adds a start of an API process to the deployment history, and returns the latest entry before it, or nil.
// It costs two requests, and one more for each entry beyond the 200th.
func (s *Store) RecordDeployment(ctx context.Context, d Deployment) (previous *Deployment, err error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	var excess []Deployment
	// Another process of the host may record a start at the same time, or the replica may be behind.
	err = kv.Retry(ctx, func() error {
		previous, excess = nil, nil
		list, err := s.Deployments(ctx)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			previous = &list[0]
		}
		next := d.after(list)
		if next.revision == 0 && len(list) >= maxDeployments {
			excess = list[maxDeployments-1:]
		}
		_, err = s.deployments.Update(ctx, next.key, next, next.revision)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, old := range excess {
		if err := s.deployments.Purge(ctx, old.key); err != nil {
			return previous, err
		}
	}
	return previous, nil
}

// after returns the entry to store for a start. list has the stored entries, the newest first.
func (d Deployment) after(list []Deployment) Deployment {
	d.V, d.Starts, d.LastStartedAt = job.Version, 1, d.StartedAt
	i := slices.IndexFunc(list, func(earlier Deployment) bool { return earlier.Host == d.Host })
	if i >= 0 && list[i].sameBuild(d) {
		again := list[i]
		again.Starts++
		again.LastStartedAt = d.StartedAt
		return again
	}
	d.key = strconv.FormatInt(d.StartedAt.UnixMilli(), 10) + "-" + rand.Text()[:8]
	return d
}

// Deployments returns the deployment history, the latest start first: about 200 entries of the last 400 days, without those
// written by a newer version. It costs one request.
func (s *Store) Deployments(ctx context.Context) ([]Deployment, error) {
	entries, err := s.deployments.List(ctx, "*")
	if err != nil {
		return nil, err
	}
	var list []Deployment
	for _, e := range entries {
		if e.Err == nil {
			e.Value.key, e.Value.revision = e.Key, e.Revision
			list = append(list, e.Value)
		}
	}
	slices.SortStableFunc(list, func(a, b Deployment) int {
		return cmp.Or(b.LastStartedAt.Compare(a.LastStartedAt.Time), b.StartedAt.Compare(a.StartedAt.Time))
	})
	return list, nil
}
