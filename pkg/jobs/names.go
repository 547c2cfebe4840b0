package jobs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// NewID returns an id for a new job and the time in it, which is the job's time of submission. It fails only when the system
// has no random numbers.
func NewID() (id string, created time.Time, err error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make job id: %w", err)
	}
	id = u.String()
	created, _ = createdAt(id)
	return id, created, nil
}

// names derives ids and names of counters from the installation's secret, with a key for each purpose: only the
// installation can compute them.
type names struct{ idempotency, replay, usage, cache keyedHash }

func newNames(secret []byte) names {
	root := newKeyedHash(secret)
	return names{
		idempotency: newKeyedHash(root.sum("idempotency key v1")),
		replay:      newKeyedHash(root.sum("replay v1")),
		usage:       newKeyedHash(root.sum("usage v1")),
		cache:       newKeyedHash(root.sum("cache v1")),
	}
}

// keyedID returns the id of the job that a caller submits under an idempotency key. Callers without an identity are told apart
// by their addresses: otherwise one who used the same key would get another caller's job and could delete it.
func (n names) keyedID(caller Caller, key string) string {
	scope := caller.Owner
	if scope == job.OwnerAnonymous {
		scope += " " + caller.Address
	}
	return uuidOf(n.idempotency.sum(scope, key))
}

// batchID returns the id of the batch that a caller submits under an idempotency key. A job under the same key has another id.
func (n names) batchID(caller Caller, key string) string {
	scope := caller.Owner
	if scope == job.OwnerAnonymous {
		scope += " " + caller.Address
	}
	return uuidOf(n.idempotency.sum(scope, key, "batch"))
}

// replayID returns the id of the job that replays a dead letter. It is the same for the same failure, so that a repeated replay
// finds the existing job.
func (n names) replayID(letter *store.DeadLetter) string {
	return uuidOf(n.replay.sum(letter.Owner, letter.ID, strconv.FormatInt(letter.FailedAt().UnixMilli(), 10)))
}

// quotaKey returns the names of the counters of a caller in a group. Members are counted by id, guests by address, since a
// cookie is easily discarded; and all callers by address in a second counter. An API key with limits has counters of its own. A
// version without groups reads and changes only the names of the media group.
func (n names) quotaKey(caller Caller, group quota.Group) quota.Key {
	kind, value := "guest", caller.Address
	if caller.Lane == job.LaneMember {
		kind, value = "member", caller.Owner
	}
	key := quota.Key{
		Group: group, Lane: caller.Lane,
		Owner: n.counter(group, kind, value), Address: n.counter(group, "address", caller.Address),
	}
	if k := caller.Key; k != nil && (k.PerMinute > 0 || k.PerDay > 0) {
		key.APIKey = n.apiKey(group, k.ID)
		key.APIKeyLimits = quota.LimitsOf(group, quota.Limits{PerMinute: k.PerMinute, PerDay: k.PerDay})
	}
	return key
}

// cacheKey returns the key under which the result of requests of an owner with the same content is found.
func (n names) cacheKey(owner, content string) string {
	return base64.RawURLEncoding.EncodeToString(n.cache.sum(owner, content)[:24])
}

// counter returns the name of the counter of a value in a group; kind is the kind of value.
func (n names) counter(group quota.Group, kind, value string) string {
	parts := []string{kind, value}
	if group == quota.GroupText {
		parts = append([]string{"text"}, parts...)
	}
	return base64.RawURLEncoding.EncodeToString(n.usage.sum(parts...)[:16])
}

// MemberCounters returns the names of the counters of a member in an installation with the given secret.
func MemberCounters(secret []byte, owner string) []string {
	n := newNames(secret)
	return []string{n.counter(quota.GroupMedia, "member", owner), n.counter(quota.GroupText, "member", owner)}
}

// KeyCounters returns the names of the counters of API keys in an installation with the given secret.
func KeyCounters(secret []byte, ids []string) []string {
	n := newNames(secret)
	var counters []string
	for _, id := range ids {
		counters = append(counters, n.apiKey(quota.GroupMedia, id), n.apiKey(quota.GroupText, id))
	}
	return counters
}

// apiKey returns the name of the counter of an API key in a group.
func (n names) apiKey(group quota.Group, id string) string { return n.counter(group, "api key", id) }

// keyedHash computes HMAC-SHA256 with one key. It keeps the states that follow from the key, which take as long to compute as the rest
// of a short message.
type keyedHash struct{ states *sync.Pool }

// hashState is the state of one computation.
type hashState struct {
	mac     hash.Hash
	message []byte
}

func newKeyedHash(key []byte) keyedHash {
	return keyedHash{&sync.Pool{New: func() any { return &hashState{mac: hmac.New(sha256.New, key)} }}}
}

// sum returns the hash of parts, each terminated by a zero byte, which no part contains.
func (k keyedHash) sum(parts ...string) []byte {
	s := k.states.Get().(*hashState)
	defer k.states.Put(s)
	s.message = s.message[:0]
	for _, part := range parts {
		s.message = append(append(s.message, part...), 0)
	}
	s.mac.Reset()
	s.mac.Write(s.message)
	return s.mac.Sum(nil)
}

// uuidOf returns a UUID made from the first 16 bytes of sum.
func uuidOf(sum []byte) string {
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // Version 8: custom.
	id[8] = id[8]&0x3f | 0x80 // The variant of RFC 9562.
	return id.String()
}
