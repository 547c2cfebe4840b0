package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Deployment is one entry of the change record: a build that an API process was started with on a host. Further starts of the
// same build on that host, with no other build in between, are counted in the same entry, so that restarts do not push older
// changes out.
type Deployment struct {
	V         int    `json:"v"`
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	BuildTime string `json:"build_time"`
	GoVersion string `json:"go_version"`
	Host      string `json:"host"`
	// StartedAt is when the build was first started, LastStartedAt when it was last, and Starts how often.
	StartedAt     job.Time `json:"started_at"`
	LastStartedAt job.Time `json:"last_started_at"`
	Starts        int      `json:"starts"`

	// subject and revision say where the entry is stored.
	subject  string
	revision uint64
}

// sameBuild reports whether two entries are of the same build.
func (d Deployment) sameBuild(other Deployment) bool {
	return d.Version == other.Version && d.Commit == other.Commit && d.BuildTime == other.BuildTime
}

const (
	// maxDeployments and deploymentTTL bound the change record.
	maxDeployments = 200
	deploymentTTL  = 400 * 24 * time.Hour
)

// RecordDeployment adds a start of an API process to the change record, and returns the latest entry that was there before, or
// nil. It costs two requests, and one more for each entry beyond the 200th.
func (q *Queue) RecordDeployment(ctx context.Context, d Deployment) (previous *Deployment, err error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	for range maxEdits {
		list, err := q.Deployments(ctx)
		if err != nil {
			return nil, err
		}
		previous = nil
		if len(list) > 0 {
			previous = &list[0]
		}
		next := d.after(list)
		data, err := json.Marshal(next)
		if err != nil {
			return nil, fmt.Errorf("encode deployment: %w", err)
		}
		_, err = q.js.Publish(ctx, next.subject, data, jetstream.WithMsgTTL(deploymentTTL), jetstream.WithExpectLastSequencePerSubject(next.revision))
		if broker.Conflict(err) {
			continue // Another process of the host, or a replica that is behind.
		}
		if err != nil {
			return nil, fmt.Errorf("record deployment: %w", err)
		}
		if next.revision == 0 && len(list) >= maxDeployments {
			err = q.dropDeployments(ctx, list[maxDeployments-1:])
		}
		return previous, err
	}
	return nil, fmt.Errorf("record deployment: %w", errContended)
}

// after returns the entry to store for a start, given those that are there, the newest first.
func (d Deployment) after(list []Deployment) Deployment {
	d.V, d.Starts, d.LastStartedAt = job.Version, 1, d.StartedAt
	for _, earlier := range list {
		if earlier.Host != d.Host {
			continue
		}
		if earlier.sameBuild(d) {
			earlier.Starts++
			earlier.LastStartedAt = d.StartedAt
			return earlier
		}
		break
	}
	d.subject = broker.DeploymentSubject(strconv.FormatInt(d.StartedAt.UnixMilli(), 10) + "-" + rand.Text()[:8])
	return d
}

func (q *Queue) dropDeployments(ctx context.Context, old []Deployment) error {
	stream, err := q.js.Stream(ctx, broker.ControlStream)
	if err != nil {
		return fmt.Errorf("open control: %w", err)
	}
	for _, d := range old {
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(d.subject)); err != nil {
			return fmt.Errorf("drop old deployment: %w", err)
		}
	}
	return nil
}

// Deployments returns the change record, the latest start first: at most some 200 entries of the last 400 days. It costs one
// request.
func (q *Queue) Deployments(ctx context.Context) ([]Deployment, error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, q.js, broker.ControlStream, []string{broker.DeploymentsSubject()})
	if err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	var list []Deployment
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list deployments: %w", err)
		}
		var d Deployment
		if json.Unmarshal(msg.Data, &d) != nil || d.V > job.Version || d.Host == "" {
			continue // The mark of one that has expired, or what a newer version wrote.
		}
		d.subject, d.revision = msg.Subject, msg.Sequence
		list = append(list, d)
	}
	// The messages end without an error when the time is up.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list deployments: %w", err)
	}
	slices.SortStableFunc(list, func(a, b Deployment) int {
		return cmp.Or(b.LastStartedAt.Compare(a.LastStartedAt.Time), b.StartedAt.Compare(a.StartedAt.Time))
	})
	return list, nil
}
