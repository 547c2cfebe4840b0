package broker

import (
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The streams and buckets.
const (
	StreamJobs     = "JOBS"
	StreamDead     = "DEAD"
	BucketProgress = "PROGRESS"
	BucketResults  = "RESULTS"
	BucketControl  = "CONTROL"
	BucketUsers    = "USERS"
	BucketResets   = "RESET_TOKENS"
	BucketFeedback = "FEEDBACK"
	BucketImages   = "IMAGES_CACHE"
	BucketWebhooks = "WEBHOOKS"
	BucketBatches  = "BATCHES"
	BucketCache    = "CACHE"

	// StreamUsage counts the use of quotas per day, StreamUsageMinute per minute.
	StreamUsage       = "USAGE"
	StreamUsageMinute = "USAGE_MINUTE"

	// bucketStream and the name of a bucket make the name of its stream.
	bucketStream = "KV_"
)

// The streams behind the buckets.
const (
	ResultsStream  = bucketStream + BucketResults
	ProgressStream = bucketStream + BucketProgress
	ControlStream  = bucketStream + BucketControl
	UsersStream    = bucketStream + BucketUsers
	ResetsStream   = bucketStream + BucketResets
	FeedbackStream = bucketStream + BucketFeedback
	ImagesStream   = bucketStream + BucketImages
	WebhooksStream = bucketStream + BucketWebhooks
	BatchesStream  = bucketStream + BucketBatches
	CacheStream    = bucketStream + BucketCache
)

// JobSubject is the subject of one queued job.
func JobSubject(kind job.Kind, lane job.Lane, owner, id string) string {
	return "jobs." + string(kind) + "." + string(lane) + "." + owner + "." + id
}

// AnyJobSubject matches the job with the given owner and id, whatever its kind and lane.
func AnyJobSubject(owner, id string) string { return "jobs.*.*." + owner + "." + id }

// OwnerJobsSubject matches every queued job of an owner.
func OwnerJobsSubject(owner string) string { return "jobs.*.*." + owner + ".*" }

// LaneSubject matches every queued job of a kind and lane.
func LaneSubject(kind job.Kind, lane job.Lane) string {
	return "jobs." + string(kind) + "." + string(lane) + ".>"
}

// ParseJobSubject parses a job's subject; ok is false for any other subject.
func ParseJobSubject(subject string) (kind job.Kind, lane job.Lane, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 5 || parts[0] != "jobs" {
		return "", "", "", "", false
	}
	return job.Kind(parts[1]), job.Lane(parts[2]), parts[3], parts[4], true
}

// ConsumerName is the durable consumer of a kind and lane.
func ConsumerName(kind job.Kind, lane job.Lane) string {
	return "worker-" + string(kind) + "-" + string(lane)
}

// PullSubject is where a worker requests the next job from a consumer.
func PullSubject(consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + StreamJobs + "." + consumer
}

// RecordSubject is the key of the terminal record of a job.
func RecordSubject(owner, id string) string { return "$KV." + BucketResults + "." + owner + "." + id }

// OwnerRecordsSubject matches the terminal records of an owner, but not their media.
func OwnerRecordsSubject(owner string) string { return kvSubject(BucketResults, owner+".*") }

// ManifestSubject is the key of the description of one image or audio file.
func ManifestSubject(owner, id string, index int) string {
	return RecordSubject(owner, id) + "." + strconv.Itoa(index)
}

// ChunkSubject is the key of one chunk of a media file; hash is the start of the file's SHA-256.
func ChunkSubject(owner, id string, index int, hash string, chunk int) string {
	return "$KV." + BucketResults + "." + owner + "." + id + "." + strconv.Itoa(index) + "." + hash + "." + strconv.Itoa(chunk)
}

// FirstChunksSubject matches the first chunks of the media files with an index.
func FirstChunksSubject(owner, id string, index int) string {
	return ManifestSubject(owner, id, index) + ".*.0"
}

// JobMediaSubject matches the manifests and chunks of a job.
func JobMediaSubject(owner, id string) string { return RecordSubject(owner, id) + ".>" }

// ProgressSubject is the key of the progress of a job.
func ProgressSubject(owner, id string) string {
	return "$KV." + BucketProgress + "." + owner + "." + id
}

// WorkerSubject is the key under which a worker registers.
func WorkerSubject(worker string) string { return kvSubject(BucketControl, "worker."+worker) }

// CatalogueSubject is the key of the list of models.
func CatalogueSubject() string { return kvSubject(BucketControl, "catalogue") }

// LeaseSubject is the key of a lease, which one process holds at a time, for example to call an upstream with a concurrency
// limit.
func LeaseSubject(name string) string { return kvSubject(BucketControl, "lease."+name) }

// CircuitSubject is the key of the circuit breaker of an upstream.
func CircuitSubject(upstream string) string { return kvSubject(BucketControl, "upstream."+upstream) }

// CircuitsSubject matches the circuit breakers of all upstreams.
func CircuitsSubject() string { return kvSubject(BucketControl, "upstream.*") }

// PauseSubject is the key of the pause of a kind of job.
func PauseSubject(kind job.Kind) string { return kvSubject(BucketControl, "operator."+string(kind)) }

// PausesSubject matches the pauses of all kinds.
func PausesSubject() string { return kvSubject(BucketControl, "operator.*") }

// ControlChanged notifies that a circuit breaker, pause or switch has changed. A notification may be lost.
const ControlChanged = "control.changed"

// ResultsProbeSubject is the key that checks whether results can be written. It is not a record and causes no event.
func ResultsProbeSubject() string { return kvSubject(BucketResults, "probe") }

// LossSubject is the key of the last loss of stored data.
func LossSubject() string { return kvSubject(BucketControl, "loss") }

// RepairSubject is the key of the last repair of the store.
func RepairSubject() string { return kvSubject(BucketControl, "repair") }

// DeadSubject is the subject of a dead letter.
func DeadSubject(kind job.Kind, owner, id string) string {
	return "dead." + string(kind) + "." + owner + "." + id
}

// DeadsSubject matches the dead letters of a kind and an owner; an empty argument matches all.
func DeadsSubject(kind job.Kind, owner string) string {
	if kind == "" {
		kind = "*"
	}
	if owner == "" {
		owner = "*"
	}
	return DeadSubject(kind, owner, "*")
}

// AnyDeadSubject matches the dead letter of the job with the given id.
func AnyDeadSubject(id string) string { return DeadSubject("*", "*", id) }

// ParseDeadSubject parses a dead letter's subject; ok is false for any other subject.
func ParseDeadSubject(subject string) (kind job.Kind, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != "dead" {
		return "", "", "", false
	}
	return job.Kind(parts[1]), parts[2], parts[3], true
}

// CancelSubject notifies that a job was canceled.
func CancelSubject(id string) string { return "cancel." + id }

// CancelsSubject matches the notifications of all jobs.
const CancelsSubject = "cancel.*"

// The events that follow a stored write, by the kind of write.
const (
	EventQueued   = "queued"
	EventProgress = "progress"
	EventResult   = "result"
)

// JobEventsSubject matches the events of one job.
func JobEventsSubject(owner, id string) string { return "events.*." + owner + "." + id }

// OwnerEventsSubject matches the events of every job of an owner.
func OwnerEventsSubject(owner string) string { return "events.*." + owner + ".*" }

// ParseEventSubject parses an event's subject; ok is false for any other subject.
func ParseEventSubject(subject string) (event, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != "events" {
		return "", "", "", false
	}
	return parts[1], parts[2], parts[3], true
}

// UserSubject is the key of an account. It contains a hash, because an e-mail address is not a valid token and must not
// appear in subjects.
func UserSubject(key string) string { return kvSubject(BucketUsers, key) }

// UsersSubject matches every account.
func UsersSubject() string { return kvSubject(BucketUsers, "*") }

// UsersProbeSubject is the key that the health check writes, reads and removes. It is not an account.
func UsersProbeSubject(id string) string { return kvSubject(BucketUsers, "probe."+id) }

// ResetSubject is the key of the latest password reset of an account.
func ResetSubject(key string) string { return kvSubject(BucketResets, key) }

// FeedbackSubject is the key of one feedback entry. era separates imported entries from others, day is the day of
// submission. An empty argument matches all.
func FeedbackSubject(era, day, owner, id string) string {
	parts := []string{"entry", era, day, owner, id}
	for i, part := range parts {
		if part == "" {
			parts[i] = "*"
		}
	}
	return kvSubject(BucketFeedback, strings.Join(parts, "."))
}

// FeedbackDoneSubject is the key of the marker that a feedback entry was processed.
func FeedbackDoneSubject(owner, id string) string {
	return kvSubject(BucketFeedback, "done."+owner+"."+id)
}

// FeedbackDonesSubject matches the markers of an owner's feedback; an empty argument matches all.
func FeedbackDonesSubject(owner string) string {
	if owner == "" {
		owner = "*"
	}
	return FeedbackDoneSubject(owner, "*")
}

// FeedbackClaimSubject is the key of the time until which an owner may not submit feedback again.
func FeedbackClaimSubject(owner string) string { return kvSubject(BucketFeedback, "claim."+owner) }

// ParseFeedbackSubject parses the subject of a feedback entry; ok is false for any other subject.
func ParseFeedbackSubject(subject string) (era, day, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 7 || parts[0] != "$KV" || parts[1] != BucketFeedback || parts[2] != "entry" {
		return "", "", "", "", false
	}
	return parts[3], parts[4], parts[5], parts[6], true
}

// GoogleSubject is the key of the link from a Google account to an account. It contains a hash of Google's ID. It is not an
// account, and UsersSubject does not match it.
func GoogleSubject(key string) string { return kvSubject(BucketUsers, "google."+key) }

// SpentSubject is the key that marks for a while that a one-time value was used. It contains the value's hash.
func SpentSubject(key string) string { return kvSubject(BucketResets, "spent."+key) }

// ImagesSubject is the key of the index of images that a member saved on a day.
func ImagesSubject(owner, day string) string { return kvSubject(BucketImages, owner+"."+day) }

// ImageSubject matches the chunks of one saved image.
func ImageSubject(owner, day, key string) string { return ImagesSubject(owner, day) + "." + key + ".*" }

// ImageChunkSubject is the key of one chunk of a saved image.
func ImageChunkSubject(owner, day, key string, chunk int) string {
	return ImagesSubject(owner, day) + "." + key + "." + strconv.Itoa(chunk)
}

// OwnerImagesSubject matches all saved images of a member.
func OwnerImagesSubject(owner string) string { return kvSubject(BucketImages, owner+".>") }

func kvSubject(bucket, key string) string { return "$KV." + bucket + "." + key }

// The windows of a quota.
const (
	UsageDay    = "day"
	UsageMinute = "minute"
)

// UsageStream is the stream that counts a window of a quota.
func UsageStream(window string) string {
	if window == UsageMinute {
		return StreamUsageMinute
	}
	return StreamUsage
}

// UsageSubject is the counter of one user or client in a window of a quota; bucket is the minute or the day.
func UsageSubject(window, who, bucket string) string {
	return "usage." + window + "." + who + "." + bucket
}

// RefundSubject is the marker of the refund of a job. The ID of a deleted job may be used again; the time then distinguishes
// the two.
func RefundSubject(id string, created time.Time) string {
	return "usage.refund." + id + "." + strconv.FormatInt(created.UnixMilli(), 10)
}

// SwitchSubject is the key of a runtime switch.
func SwitchSubject(name string) string { return kvSubject(BucketControl, "switch."+name) }

// SwitchesSubject matches the state of every runtime switch.
func SwitchesSubject() string { return kvSubject(BucketControl, "switch.*") }

// DeploymentSubject is the key of one entry of the deployment history.
func DeploymentSubject(id string) string { return kvSubject(BucketControl, "deployment."+id) }

// DeletionSubject is the key of the marker that an account is being deleted, by the owner of its jobs. It is not an account, and
// UsersSubject does not match it.
func DeletionSubject(owner string) string { return kvSubject(BucketUsers, "deleted."+owner) }

// DeletionsSubject matches every account that is being deleted.
func DeletionsSubject() string { return DeletionSubject("*") }

// UploadSubject is the key of the description of an uploaded image.
func UploadSubject(owner, id string) string { return kvSubject(BucketResults, owner+".uploads."+id) }

// OwnerUploadsSubject matches the descriptions of all uploaded images of an owner.
func OwnerUploadsSubject(owner string) string { return UploadSubject(owner, "*") }

// UploadChunkSubject is the key of one chunk of an uploaded image.
func UploadChunkSubject(owner, id string, chunk int) string {
	return UploadSubject(owner, id) + "." + strconv.Itoa(chunk)
}

// UploadChunksSubject matches the chunks of an uploaded image.
func UploadChunksSubject(owner, id string) string { return UploadSubject(owner, id) + ".*" }

// ReferenceChunkSubject is the key of one chunk of a reference image of a job; hash is the start of the image's SHA-256.
func ReferenceChunkSubject(owner, id string, index int, hash string, chunk int) string {
	return RecordSubject(owner, id) + ".reference." + strconv.Itoa(index) + "." + hash + "." + strconv.Itoa(chunk)
}

// AdoptionSubject is the key of the account that has adopted a guest. It is not an account, and UsersSubject does not match it.
func AdoptionSubject(guest string) string { return kvSubject(BucketUsers, "adopted."+guest) }

// AdoptionsSubject is the key of the list of guests that an account has adopted, by the owner of its jobs.
func AdoptionsSubject(owner string) string { return kvSubject(BucketUsers, "adoptions."+owner) }

// VerificationSubject is the key of the latest token that verifies the e-mail address of an account.
func VerificationSubject(key string) string { return kvSubject(BucketResets, "verify."+key) }

// SignupsSubject is the key of the counter of recent sign-ups from one IP address.
func SignupsSubject(from string) string { return kvSubject(BucketResets, "signups."+from) }

// OwnerResultsSubject matches the records of an owner, their media and the markers of deleted jobs.
func OwnerResultsSubject(owner string) string { return kvSubject(BucketResults, owner+".>") }

// OwnerMediaSubject matches the media of all jobs of an owner, but not their records.
func OwnerMediaSubject(owner string) string { return kvSubject(BucketResults, owner+".*.>") }

// OwnerProgressSubject matches the progress of all jobs of an owner.
func OwnerProgressSubject(owner string) string { return kvSubject(BucketProgress, owner+".*") }

// WhoUsageSubject matches all counters of one user or client in a window.
func WhoUsageSubject(window, who string) string { return UsageSubject(window, who, "*") }

// APIKeySubject is the key of an API key; kind separates keys of members from those of the operator. It is not an account, and
// UsersSubject does not match it.
func APIKeySubject(kind, owner, id string) string {
	return kvSubject(BucketUsers, "apikey."+kind+"."+owner+"."+id)
}

// AnyAPIKeySubject matches the API key with the given ID.
func AnyAPIKeySubject(id string) string { return APIKeySubject("*", "*", id) }

// WebhookSubject is the key of the delivery of an event to a webhook.
func WebhookSubject(owner, id string) string { return kvSubject(BucketWebhooks, owner+"."+id) }

// OwnerWebhooksSubject matches all deliveries of an owner.
func OwnerWebhooksSubject(owner string) string { return WebhookSubject(owner, "*") }

// WebhookSettingsSubject is the key of the settings of an owner's webhooks. It is not an account, and UsersSubject does not match
// it.
func WebhookSettingsSubject(owner string) string { return kvSubject(BucketUsers, "webhooks."+owner) }
