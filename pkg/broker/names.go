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

	// StreamUsage counts what is taken of a quota in a day, StreamUsageMinute in a minute.
	StreamUsage       = "USAGE"
	StreamUsageMinute = "USAGE_MINUTE"

	// A bucket's stream is called KV_ and its name.
	bucketStream = "KV_"
)

// ResultsStream is the stream behind the bucket of results.
const ResultsStream = bucketStream + BucketResults

// ProgressStream is the stream behind the bucket of progress.
const ProgressStream = bucketStream + BucketProgress

// ControlStream is the stream behind the bucket of control.
const ControlStream = bucketStream + BucketControl

// UsersStream is the stream behind the bucket of accounts.
const UsersStream = bucketStream + BucketUsers

// ResetsStream is the stream behind the bucket of password resets.
const ResetsStream = bucketStream + BucketResets

// FeedbackStream is the stream behind the bucket of feedback.
const FeedbackStream = bucketStream + BucketFeedback

// ImagesStream is the stream behind the bucket of saved pictures.
const ImagesStream = bucketStream + BucketImages

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

// ParseJobSubject takes a job's subject apart; ok is false for any other subject.
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

// PullSubject is where a worker asks a consumer of jobs for the next one.
func PullSubject(consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + StreamJobs + "." + consumer
}

// RecordSubject is where the terminal record of a job lies.
func RecordSubject(owner, id string) string { return kvSubject(BucketResults, owner+"."+id) }

// OwnerRecordsSubject matches the terminal records of an owner, and not their media.
func OwnerRecordsSubject(owner string) string { return kvSubject(BucketResults, owner+".*") }

// ManifestSubject is where the description of one picture or recording lies.
func ManifestSubject(owner, id string, index int) string {
	return RecordSubject(owner, id) + "." + strconv.Itoa(index)
}

// ChunkSubject is where one piece of a medium's bytes lies; hash is the start of the medium's SHA-256.
func ChunkSubject(owner, id string, index int, hash string, chunk int) string {
	return ManifestSubject(owner, id, index) + "." + hash + "." + strconv.Itoa(chunk)
}

// JobMediaSubject matches the manifests and chunks of a job.
func JobMediaSubject(owner, id string) string { return RecordSubject(owner, id) + ".>" }

// ProgressSubject is where the progress of a job lies.
func ProgressSubject(owner, id string) string { return kvSubject(BucketProgress, owner+"."+id) }

// WorkerSubject is where a worker announces itself.
func WorkerSubject(worker string) string { return kvSubject(BucketControl, "worker."+worker) }

// WorkersSubject matches the announcements of all workers.
func WorkersSubject() string { return kvSubject(BucketControl, "worker.*") }

// CatalogueSubject is where the list of models lies.
func CatalogueSubject() string { return kvSubject(BucketControl, "catalogue") }

// LeaseSubject is where a right lies that one process has at a time, to call an upstream that takes no more among others.
func LeaseSubject(name string) string { return kvSubject(BucketControl, "lease."+name) }

// CircuitSubject is where it lies whether an upstream may be called.
func CircuitSubject(upstream string) string { return kvSubject(BucketControl, "upstream."+upstream) }

// CircuitsSubject matches what lies about every upstream.
func CircuitsSubject() string { return kvSubject(BucketControl, "upstream.*") }

// PauseSubject is where an operator's order not to work a kind lies.
func PauseSubject(kind job.Kind) string { return kvSubject(BucketControl, "operator."+string(kind)) }

// PausesSubject matches the orders about every kind.
func PausesSubject() string { return kvSubject(BucketControl, "operator.*") }

// ControlChanged carries the notice that a circuit or an order was changed. It may be lost.
const ControlChanged = "control.changed"

// ResultsProbeSubject is where it is tried whether results can be written. It is no record, and no event follows from it.
func ResultsProbeSubject() string { return kvSubject(BucketResults, "probe") }

// LossSubject is where the last loss of stored data lies.
func LossSubject() string { return kvSubject(BucketControl, "loss") }

// RepairSubject is where the last repair of the store lies.
func RepairSubject() string { return kvSubject(BucketControl, "repair") }

// DeadSubject is the subject of a dead letter.
func DeadSubject(kind job.Kind, owner, id string) string {
	return "dead." + string(kind) + "." + owner + "." + id
}

// DeadsSubject matches the dead letters of a kind and an owner; an empty one stands for all.
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

// ParseDeadSubject takes a dead letter's subject apart; ok is false for any other subject.
func ParseDeadSubject(subject string) (kind job.Kind, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != "dead" {
		return "", "", "", false
	}
	return job.Kind(parts[1]), parts[2], parts[3], true
}

// CancelSubject carries the notice that a job was canceled.
func CancelSubject(id string) string { return "cancel." + id }

// CancelsSubject matches the notices of all jobs.
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

// ParseEventSubject takes an event's subject apart; ok is false for any other subject.
func ParseEventSubject(subject string) (event, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 4 || parts[0] != "events" {
		return "", "", "", false
	}
	return parts[1], parts[2], parts[3], true
}

// UserSubject is where an account lies. The key is a hash: an e-mail address is no valid token, and none shows in a subject.
func UserSubject(key string) string { return kvSubject(BucketUsers, key) }

// UsersSubject matches every account.
func UsersSubject() string { return kvSubject(BucketUsers, "*") }

// UsersProbeSubject is where the health check writes, reads and removes a key. It is no account.
func UsersProbeSubject(id string) string { return kvSubject(BucketUsers, "probe."+id) }

// ResetSubject is where the latest password reset of an account lies.
func ResetSubject(key string) string { return kvSubject(BucketResets, key) }

// FeedbackSubject is where one piece of feedback lies. The era tells what was given here from what was imported, the day
// is that on which it was given. An empty argument stands for all.
func FeedbackSubject(era, day, owner, id string) string {
	parts := []string{"entry", era, day, owner, id}
	for i, part := range parts {
		if part == "" {
			parts[i] = "*"
		}
	}
	return kvSubject(BucketFeedback, strings.Join(parts, "."))
}

// FeedbackDoneSubject is where the mark lies that a piece of feedback was processed.
func FeedbackDoneSubject(owner, id string) string {
	return kvSubject(BucketFeedback, "done."+owner+"."+id)
}

// FeedbackDonesSubject matches the marks of an owner's feedback; an empty one stands for all.
func FeedbackDonesSubject(owner string) string {
	if owner == "" {
		owner = "*"
	}
	return FeedbackDoneSubject(owner, "*")
}

// FeedbackClaimSubject is where it lies until when an owner may not give feedback again.
func FeedbackClaimSubject(owner string) string { return kvSubject(BucketFeedback, "claim."+owner) }

// ParseFeedbackSubject takes the subject of a piece of feedback apart; ok is false for any other subject.
func ParseFeedbackSubject(subject string) (era, day, owner, id string, ok bool) {
	parts := strings.Split(subject, ".")
	if len(parts) != 7 || parts[0] != "$KV" || parts[1] != BucketFeedback || parts[2] != "entry" {
		return "", "", "", "", false
	}
	return parts[3], parts[4], parts[5], parts[6], true
}

// GoogleSubject is where it lies which account a Google account opens. The key is a hash of Google's name for it; it is no
// account, and UsersSubject does not match it.
func GoogleSubject(key string) string { return kvSubject(BucketUsers, "google."+key) }

// SpentSubject is where it lies for a while that something was used which can be used once. The key is its hash.
func SpentSubject(key string) string { return kvSubject(BucketResets, "spent."+key) }

// ImagesSubject is where it lies which pictures a member has saved on a day.
func ImagesSubject(owner, day string) string { return kvSubject(BucketImages, owner+"."+day) }

// ImageSubject matches the bytes of one saved picture.
func ImageSubject(owner, day, key string) string { return ImagesSubject(owner, day) + "." + key + ".*" }

// ImageChunkSubject is where one piece of the bytes of a saved picture lies.
func ImageChunkSubject(owner, day, key string, chunk int) string {
	return ImagesSubject(owner, day) + "." + key + "." + strconv.Itoa(chunk)
}

// OwnerImagesSubject matches everything that a member has saved.
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

// UsageSubject is the counter of what somebody has taken of a quota; bucket is the minute or the day.
func UsageSubject(window, who, bucket string) string {
	return "usage." + window + "." + who + "." + bucket
}

// RefundSubject is where it is marked that a job was given back. A deleted job's id may be used again, and then the time
// tells the two apart.
func RefundSubject(id string, created time.Time) string {
	return "usage.refund." + id + "." + strconv.FormatInt(created.UnixMilli(), 10)
}

// SwitchSubject is where the state of a runtime switch is stored.
func SwitchSubject(name string) string { return kvSubject(BucketControl, "switch."+name) }

// SwitchesSubject matches the state of every runtime switch.
func SwitchesSubject() string { return kvSubject(BucketControl, "switch.*") }

// DeploymentSubject is where one entry of the deployment history is stored.
func DeploymentSubject(id string) string { return kvSubject(BucketControl, "deployment."+id) }

// DeploymentsSubject matches the whole deployment history.
func DeploymentsSubject() string { return kvSubject(BucketControl, "deployment.*") }

// DeletionSubject is where it is kept that an account is being deleted, by the owner of its jobs. It is no account, and
// UsersSubject does not match it.
func DeletionSubject(owner string) string { return kvSubject(BucketUsers, "deleted."+owner) }

// DeletionsSubject matches every account that is being deleted.
func DeletionsSubject() string { return DeletionSubject("*") }

// VerificationSubject is where the latest token lies that confirms the address of an account.
func VerificationSubject(key string) string { return kvSubject(BucketResets, "verify."+key) }

// SignupsSubject is where the latest sign-ups of one place are counted.
func SignupsSubject(from string) string { return kvSubject(BucketResets, "signups."+from) }

// OwnerResultsSubject matches the records of an owner, their media and the marks of deleted jobs.
func OwnerResultsSubject(owner string) string { return kvSubject(BucketResults, owner+".>") }

// OwnerMediaSubject matches the media of all jobs of an owner, and not their records.
func OwnerMediaSubject(owner string) string { return kvSubject(BucketResults, owner+".*.>") }

// OwnerProgressSubject matches the progress of all jobs of an owner.
func OwnerProgressSubject(owner string) string { return kvSubject(BucketProgress, owner+".*") }

// WhoUsageSubject matches every counter of one name in a window, whatever its bucket.
func WhoUsageSubject(window, who string) string { return UsageSubject(window, who, "*") }
