// Package feedback is what members tell the operator: bugs, wishes and praise, and whether the operator has dealt with
// them. It owns the bucket FEEDBACK.
//
// A piece of feedback is written once and never changed. That it was processed is a mark beside it, so that counting is
// asking NATS for numbers and never reading what people wrote. The names of keys hold an account's owner name, which is no
// address, and a day.
//
// It knows nothing of HTTP, and it writes neither an address nor what somebody wrote into an error or a log.
package feedback
