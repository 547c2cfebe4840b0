package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Usage is the storage that JetStream uses for this installation. A limit of 0 means that NATS reports none.
type Usage struct {
	// Streams are the declared streams, sorted by name.
	Streams []StreamUse
	// FileBytes and MemoryBytes include all replicas. The limits are those of the account or of the embedded server.
	FileBytes, FileLimit     uint64
	MemoryBytes, MemoryLimit uint64
	// DiskFree and DiskSize are of the file system with DATA_DIR; both are 0 with an external NATS.
	DiskFree, DiskSize uint64
}

// StreamUse is the storage that one stream uses, without replicas.
type StreamUse struct {
	Name                  string
	Bytes, Messages       uint64
	MaxBytes, MaxMessages uint64
}

// Usage returns the storage that NATS uses. It costs two requests.
func (b *Broker) Usage(ctx context.Context) (Usage, error) {
	account, err := b.js.AccountInfo(ctx)
	if err != nil {
		return Usage{}, fmt.Errorf("read storage use of NATS: %w", err)
	}
	u := Usage{
		FileBytes: account.Store, FileLimit: limit(account.Limits.MaxStore),
		MemoryBytes: account.Memory, MemoryLimit: limit(account.Limits.MaxMemory),
	}
	if b.embedded != nil {
		u.FileLimit = b.embedded.fileLimit()
		u.DiskFree, u.DiskSize = diskSpace(b.cfg.DataDir)
	}
	declared := StreamNames()
	list := b.js.ListStreams(ctx)
	for info := range list.Info() {
		if !slices.Contains(declared, info.Config.Name) {
			continue
		}
		u.Streams = append(u.Streams, StreamUse{
			Name: info.Config.Name, Bytes: info.State.Bytes, Messages: info.State.Msgs,
			MaxBytes: limit(info.Config.MaxBytes), MaxMessages: limit(info.Config.MaxMsgs),
		})
	}
	if err := list.Err(); err != nil {
		return Usage{}, fmt.Errorf("list streams of NATS: %w", err)
	}
	slices.SortFunc(u.Streams, func(x, y StreamUse) int { return strings.Compare(x.Name, y.Name) })
	return u, nil
}

// fileLimit returns how many bytes the embedded server may store on the disk; 0 while it is restarted.
func (e *embedded) fileLimit() uint64 {
	srv := e.srv.Load()
	if srv == nil {
		return 0
	}
	config := srv.JetStreamConfig()
	if config == nil {
		return 0
	}
	return limit(config.MaxStore)
}

// limit converts a limit of NATS, where -1 and 0 mean none.
func limit(n int64) uint64 {
	if n <= 0 {
		return 0
	}
	return uint64(n)
}

// streamOf returns the stream that stores a subject, or "other".
func streamOf(subject string) string {
	first, rest, _ := strings.Cut(subject, ".")
	second, _, _ := strings.Cut(rest, ".")
	switch first {
	case "jobs":
		return StreamJobs
	case "dead":
		return StreamDead
	case "usage":
		return UsageStream(second)
	case "$KV":
		for _, stream := range bucketStreams {
			if stream[len(bucketStream):] == second {
				return stream
			}
		}
	}
	return "other"
}

// bucketStreams are the streams of the buckets, those that are written most first.
var bucketStreams = [...]string{
	ResultsStream, ProgressStream, ControlStream, UsersStream, ResetsStream, FeedbackStream, ImagesStream, WebhooksStream, BatchesStream, CacheStream,
}
