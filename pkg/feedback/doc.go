// Package feedback stores feedback of members to the operator, and whether the operator has processed it. It owns the bucket
// FEEDBACK.
//
// An entry is written once and never changed. A separate mark records that it was processed, so that counting reads only the
// numbers of messages from NATS and no content. Keys contain a day and the owner name of an account, which is not its address.
//
// It is independent of HTTP. Errors and logs contain neither addresses nor content.
package feedback
