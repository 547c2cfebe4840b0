package backup

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// The file is a tar archive compressed with Zstandard: a preamble, the parts of each stream, and a manifest at the end, so
// that it can be written to a pipe. A checksum of the whole file follows the archive.
const (
	formatName    = "text2image-audio backup"
	formatVersion = 1

	preambleFile = "backup.json"
	manifestFile = "manifest.json"

	// maxPart bounds the size of a part that is read, and so the memory of a restore.
	maxPart = 2 << 20
	// partBytes is the size of the parts that are written. NATS aborts a snapshot if a chunk is not acknowledged within five
	// seconds: a part must be written within that time.
	partBytes = 128 << 10
	// maxMeta bounds the preamble and the manifest.
	maxMeta = 4 << 20
)

var (
	// ErrDamaged is returned for a file that is truncated, modified, or not a backup.
	ErrDamaged = errors.New("the backup is damaged or incomplete")
	// ErrNewer is returned for a file in a format that is newer than this version.
	ErrNewer = errors.New("the backup was written by a newer version")
	// ErrNotEmpty is returned by Restore when the NATS already has streams of this service.
	ErrNotEmpty = errors.New("the store is not empty")
	// ErrUnsupported is returned when the NATS server does not support online backups.
	ErrUnsupported = errors.New("the NATS server is too old for backups: nats-server 2.15 or newer is needed")
)

// Preamble begins a backup.
type Preamble struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Program and Commit are the version that wrote the backup.
	Program   string    `json:"program"`
	Commit    string    `json:"commit"`
	StartedAt time.Time `json:"started_at"`
	// Secret is the Fingerprint of JWT_SECRET, or "" if it is unknown.
	Secret string `json:"secret,omitempty"`
}

// Manifest ends a backup and describes its contents.
type Manifest struct {
	Preamble
	FinishedAt time.Time `json:"finished_at"`
	Streams    []Stream  `json:"streams"`
}

// Stream describes one stream in a backup.
type Stream struct {
	Name string `json:"name"`
	// Config is the configuration in the form of NATS.
	Config json.RawMessage `json:"config"`
	// Messages and Bytes count the messages in the backup, including superseded values of keys.
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	FirstSeq uint64 `json:"first_seq"`
	LastSeq  uint64 `json:"last_seq"`
	Parts    int    `json:"parts"`
	// SHA256 is the checksum of all parts together.
	SHA256 string `json:"sha256"`
}

// Streams returns the streams of a backup in the order in which they are read; doc.go gives the reason for the order.
func Streams() []string {
	return []string{
		broker.BatchesStream, broker.StreamJobs, broker.StreamDead, broker.StreamUsage, broker.StreamSpend, broker.WebhooksStream,
		broker.ResultsStream, broker.CacheStream, broker.FeedbackStream, broker.ImagesStream,
		broker.ControlStream, broker.UsersStream, broker.ResetsStream,
	}
}

func partName(stream string, part int) string { return fmt.Sprintf("streams/%s/%06d", stream, part) }

// validName matches names of streams that may be restored; they become part of subjects.
var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (p Preamble) check() error {
	if p.Format != formatName {
		return fmt.Errorf("%w: it is not a backup of this program", ErrDamaged)
	}
	if p.Version > formatVersion {
		return fmt.Errorf("%w: its format is %d and this version reads up to %d; restore it with version %s or newer", ErrNewer, p.Version, formatVersion, p.Program)
	}
	return nil
}

// entry is a message of a stream.
type entry struct {
	subject string
	header  []byte
	data    []byte
	time    int64
	seq     uint64
}

// Fingerprint returns a value that identifies a JWT_SECRET without disclosing it.
func Fingerprint(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(formatName))
	const length = 8
	return hex.EncodeToString(mac.Sum(nil)[:length])
}
