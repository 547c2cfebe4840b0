package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Store is the bucket CONTROL.
type Store struct {
	nc          *nats.Conn
	js          jetstream.JetStream
	leases      *kv.Bucket[lease]
	workers     *kv.Bucket[Worker]
	deployments *kv.Bucket[Deployment]
	circuits    *kv.Bucket[Circuit]
	pauses      *kv.Bucket[Pause]
	switches    *kv.Bucket[Switch]
	// states holds all circuits, pauses and switches by their subjects, for reading them together.
	states *kv.Bucket[json.RawMessage]
}

// Open opens the store on a broker. It costs one request.
func Open(ctx context.Context, b *broker.Broker) (*Store, error) {
	// A power failure ends what leases and registrations stand for.
	js, buffered := b.JetStream(), b.Buffered()
	stream, err := js.Stream(ctx, broker.ControlStream)
	if err != nil {
		return nil, fmt.Errorf("open control: %w", err)
	}
	return &Store{
		nc: b.Conn(), js: js,
		leases:  kv.New(buffered, stream, kv.Config[lease]{Name: "lease", Prefix: broker.LeaseSubject(""), Lenient: true, TTL: leaseTTL}),
		workers: kv.New(buffered, stream, kv.Config[Worker]{Name: "worker", Prefix: broker.WorkerSubject(""), Check: (*Worker).check, TTL: workerTTL}),
		deployments: kv.New(js, stream, kv.Config[Deployment]{
			Name: "deployment", Prefix: broker.DeploymentSubject(""), Check: (*Deployment).check, TTL: deploymentTTL,
		}),
		// Lenient: a state that is newer or invalid must neither stop a worker nor prevent an operator from replacing it.
		circuits: kv.New(js, stream, kv.Config[Circuit]{Name: "circuit", Prefix: broker.CircuitSubject(""), Check: (*Circuit).check, Lenient: true}),
		pauses:   kv.New(js, stream, kv.Config[Pause]{Name: "pause", Prefix: broker.PauseSubject(""), Check: (*Pause).check, Lenient: true}),
		switches: kv.New(js, stream, kv.Config[Switch]{Name: "switch", Prefix: broker.SwitchSubject(""), Check: (*Switch).check, Lenient: true}),
		states:   kv.New(js, stream, kv.Config[json.RawMessage]{Name: "control state"}),
	}, nil
}

var errIncomplete = errors.New("incomplete")

// checkState rejects an incomplete state, and with kv.ErrNewer one of a newer version of the program.
func checkState(v int, complete bool) error {
	if err := kv.CheckVersion(v); err != nil || complete {
		return err
	}
	return errIncomplete
}
