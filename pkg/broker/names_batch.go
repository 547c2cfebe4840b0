package broker

import (
	"strconv"
	"strings"
)

// BatchSubject is the key of a batch of jobs.
func BatchSubject(owner, id string) string { return kvSubject(BucketBatches, owner+"."+id) }

// OwnerBatchesSubject matches the batches of an owner, but not what is stored besides them until they are accepted or canceled.
func OwnerBatchesSubject(owner string) string { return BatchSubject(owner, "*") }

// OwnerBatchDataSubject matches everything that is stored of the batches of an owner.
func OwnerBatchDataSubject(owner string) string { return BatchSubject(owner, ">") }

// BatchJobsSubject is the key of one chunk of the jobs of a batch that is being accepted. attempt separates the acceptances of
// batches with the same id.
func BatchJobsSubject(owner, id, attempt string, chunk int) string {
	return BatchSubject(owner, id) + ".jobs." + attempt + "." + strconv.Itoa(chunk)
}

// AllBatchJobsSubject matches all chunks of the jobs of one acceptance of a batch.
func AllBatchJobsSubject(owner, id, attempt string) string {
	return BatchSubject(owner, id) + ".jobs." + attempt + ".*"
}

// BatchCancelSubject is the key of the mark that the jobs of a batch are being canceled.
func BatchCancelSubject(owner, id string) string { return BatchSubject(owner, id) + ".cancel" }

// UnfinishedBatchesSubject matches what is stored of batches that are being accepted or canceled.
func UnfinishedBatchesSubject() string { return kvSubject(BucketBatches, "*.*.>") }

// ParseBatchSubject parses any of the subjects above; rest is what follows the id. ok is false for any other subject.
func ParseBatchSubject(subject string) (owner, id, rest string, ok bool) {
	key, ok := strings.CutPrefix(subject, kvSubject(BucketBatches, ""))
	parts := strings.SplitN(key, ".", 3)
	if !ok || len(parts) < 2 {
		return "", "", "", false
	}
	if len(parts) == 3 {
		rest = parts[2]
	}
	return parts[0], parts[1], rest, true
}
