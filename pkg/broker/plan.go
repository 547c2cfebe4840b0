package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	jsonv1 "github.com/go-json-experiment/json/v1" // It decodes as encoding/json does, several times as fast.
	"github.com/nats-io/nats.go/jetstream"
)

// Action is what is done to a stream or consumer in NATS.
type Action string

// The actions, in order of severity.
const (
	// ActionCreate creates a missing stream or consumer.
	ActionCreate Action = "create"
	// ActionUpdate changes settings that can be changed back.
	ActionUpdate Action = "update"
	// ActionMigrate changes settings that NATS never changes back, so that the previous version may no longer start.
	ActionMigrate Action = "migrate"
	// ActionRecreate deletes a stream with its messages and creates it again, because NATS cannot change it.
	ActionRecreate Action = "recreate"
)

// Change is one difference between the configuration in NATS and the one this version works with.
type Change struct {
	// Target is what is changed, such as "stream JOBS" or "consumer worker-image-guest".
	Target string `json:"target"`
	Action Action `json:"action"`
	// Settings are the changes of single settings, such as "max_msgs: 100000 -> 20". There are none for ActionCreate.
	Settings []string `json:"settings,omitempty"`
	// Messages is how many messages ActionRecreate would delete.
	Messages uint64 `json:"messages,omitempty"`

	// name is the name of the stream or consumer.
	name string
}

// irreversible reports whether a change cannot be undone.
func (c Change) irreversible() bool { return c.Action == ActionMigrate || c.Action == ActionRecreate }

// ErrMigrationNeeded is returned by Open when NATS holds a stream that this version can only use after a change that
// cannot be undone. Migrate makes that change.
var ErrMigrationNeeded = errors.New("a migration is needed")

// migrationNeeded returns an error that names every stream with an irreversible change, or nil.
func migrationNeeded(steps []step) error {
	var streams []string
	for _, s := range steps {
		if s.irreversible() {
			streams = append(streams, fmt.Sprintf("%s (%s)", s.Target, strings.Join(s.Settings, ", ")))
		}
	}
	if len(streams) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s must change in a way that cannot be undone; run \"api migrate --dry-run\", then stop every process, "+
		"make a backup and run \"api migrate\" (see deploy/rollback.md)", ErrMigrationNeeded, strings.Join(streams, "; "))
}

// step is a change and the function that makes it.
type step struct {
	Change
	apply func(context.Context) error
}

// plan returns the steps from the configuration in NATS to that of this process. It changes nothing, and costs a request
// for each stream and each consumer.
func plan(ctx context.Context, js jetstream.JetStream, cfg Config) ([]step, error) {
	var steps []step
	for _, want := range declaredStreams(cfg) {
		if !cfg.uses(want.Name) {
			continue
		}
		s, err := planStream(ctx, js, want)
		if err != nil {
			return nil, fmt.Errorf("check stream %s: %w", want.Name, err)
		}
		if s != nil {
			steps = append(steps, *s)
		}
	}
	for _, want := range consumers(cfg) {
		s, err := planConsumer(ctx, js, want)
		if err != nil {
			return nil, fmt.Errorf("check consumer %s: %w", want.Durable, err)
		}
		if s != nil {
			steps = append(steps, *s)
		}
	}
	return steps, nil
}

// planStream returns the step for a stream, or nil. Creating it fails with jetstream.ErrStreamNameAlreadyInUse when
// another process was faster.
func planStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (*step, error) {
	s := step{Change: Change{Target: "stream " + want.Name, name: want.Name}}
	var info struct {
		Config rawConfig             `json:"config"`
		State  jetstream.StreamState `json:"state"`
	}
	err := apiRequest(ctx, js, "STREAM.INFO."+want.Name, nil, &info)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s.Action = ActionCreate
		s.apply = func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, want)
			return err
		}
		return &s, nil
	}
	if err != nil {
		return nil, err
	}
	wanted, err := encodeConfig(want)
	if err != nil {
		return nil, err
	}
	merged, d, err := mergeStream(wanted, info.Config, governed(want.Name))
	if err != nil {
		return nil, err
	}
	if len(d.recreate)+len(d.oneWay) > 0 {
		return s.oneWay(js, wanted, info.Config, info.State.Msgs)
	}
	if len(d.reversible) == 0 {
		return nil, nil
	}
	s.Action, s.Settings = ActionUpdate, d.reversible
	s.apply = func(ctx context.Context) error { return apiRequest(ctx, js, "STREAM.UPDATE."+want.Name, merged, nil) }
	return &s, nil
}

// oneWay completes the step of a stream that needs an irreversible change. It keeps the operator's settings in NATS: a
// migration is run by hand, where they may not be set, and a shorter RESULT_TTL deletes results.
func (s step) oneWay(js jetstream.JetStream, want, have rawConfig, messages uint64) (*step, error) {
	merged, d, err := mergeStream(want, have, nil)
	if err != nil {
		return nil, err
	}
	if len(d.recreate) == 0 {
		s.Action, s.Settings = ActionMigrate, append(d.oneWay, d.reversible...)
		s.apply = func(ctx context.Context) error { return apiRequest(ctx, js, "STREAM.UPDATE."+s.name, merged, nil) }
		return &s, nil
	}
	for _, field := range governed(s.name) {
		want[field] = have[field]
	}
	s.Action, s.Settings, s.Messages = ActionRecreate, d.recreate, messages
	s.apply = func(ctx context.Context) error {
		if err := js.DeleteStream(ctx, s.name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		return apiRequest(ctx, js, "STREAM.CREATE."+s.name, want, nil)
	}
	return &s, nil
}

// planConsumer returns the step for a consumer, or nil.
func planConsumer(ctx context.Context, js jetstream.JetStream, want jetstream.ConsumerConfig) (*step, error) {
	s := step{Change: Change{Target: "consumer " + want.Durable, name: want.Durable}}
	var info struct {
		Config rawConfig `json:"config"`
	}
	err := apiRequest(ctx, js, "CONSUMER.INFO."+StreamJobs+"."+want.Durable, nil, &info)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		s.Action = ActionCreate
		s.apply = func(ctx context.Context) error {
			_, err := js.CreateConsumer(ctx, StreamJobs, want)
			return err
		}
		return &s, nil
	}
	if err != nil {
		return nil, err
	}
	wanted, err := encodeConfig(want)
	if err != nil {
		return nil, err
	}
	merged, d, err := mergeConsumer(wanted, info.Config)
	if err != nil || len(d.reversible) == 0 {
		return nil, err
	}
	s.Action, s.Settings = ActionUpdate, d.reversible
	s.apply = func(ctx context.Context) error {
		return apiRequest(ctx, js, "CONSUMER.CREATE."+StreamJobs+"."+want.Durable,
			map[string]any{"stream_name": StreamJobs, "config": merged, "action": "update"}, nil)
	}
	return &s, nil
}

// declaredStreams returns the streams of this version, including those of buckets.
func declaredStreams(cfg Config) []jetstream.StreamConfig {
	list := streams(cfg)
	for _, bucket := range buckets(cfg) {
		list = append(list, streamOfBucket(bucket))
	}
	return list
}

const (
	// bucketDuplicates is the window in which a bucket's stream recognizes a message by its ID.
	bucketDuplicates = 2 * time.Minute
	// noDuplicates is the shortest window that NATS accepts, for streams with many messages, none of which has an ID. At a start
	// the server loads every message of the window.
	noDuplicates = 100 * time.Millisecond
)

// duplicates returns the window in which the stream of a bucket recognizes a message by its ID.
func duplicates(bucket string) time.Duration {
	if bucket == BucketResults {
		return noDuplicates
	}
	return bucketDuplicates
}

// streamOfBucket returns the stream that CreateKeyValue of the client library creates for a bucket. CreateOrUpdateKeyValue
// would overwrite every setting of an existing bucket.
func streamOfBucket(b jetstream.KeyValueConfig) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                   bucketStream + b.Bucket,
		Description:            b.Description,
		Subjects:               []string{kvSubject(b.Bucket, ">")},
		MaxMsgsPerSubject:      1,
		MaxMsgs:                -1,
		MaxBytes:               -1,
		MaxMsgSize:             -1,
		MaxConsumers:           -1,
		MaxAge:                 b.TTL,
		Storage:                b.Storage,
		Replicas:               b.Replicas,
		Discard:                jetstream.DiscardNew,
		Duplicates:             duplicates(b.Bucket),
		AllowRollup:            true,
		DenyDelete:             true,
		AllowDirect:            true,
		AllowMsgTTL:            b.LimitMarkerTTL > 0,
		SubjectDeleteMarkerTTL: b.LimitMarkerTTL,
		RePublish:              b.RePublish,
	}
}

// governed returns the settings of a stream that are always set to the operator's value.
func governed(stream string) []string {
	fields := []string{"num_replicas"} // NATS_REPLICAS
	switch stream {
	case StreamJobs:
		fields = append(fields, "max_msgs") // MAX_QUEUED_JOBS
	case ResultsStream, ProgressStream:
		fields = append(fields, "max_age") // RESULT_TTL
	}
	return fields
}

// apiRequest sends a request to the JetStream API and decodes the response; body and into may be nil. The client library
// would drop settings unknown to it. It fails with a *jetstream.APIError when NATS refuses.
func apiRequest(ctx context.Context, js jetstream.JetStream, subject string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode request %s: %w", subject, err)
		}
	}
	msg, err := js.Conn().RequestWithContext(ctx, "$JS.API."+subject, data)
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	if err := DecodeResponse(msg.Data, into); err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	return nil
}

// DecodeResponse decodes a response of the JetStream API into v, which may be nil. It fails with a *jetstream.APIError when
// NATS refused the request.
func DecodeResponse(data []byte, v any) error {
	var response struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := jsonv1.Unmarshal(data, &response); err != nil {
		return fmt.Errorf("decode response: %w", err)
	}
	if response.Error != nil {
		return response.Error
	}
	if v == nil {
		return nil
	}
	if err := jsonv1.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode response: %w", err)
	}
	return nil
}
