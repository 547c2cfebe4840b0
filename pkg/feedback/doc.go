// Package feedback stores what members tell the operator: bugs, requests and praise, and whether the operator has processed
// it. It owns the bucket FEEDBACK.
//
// A piece of feedback is written once and never changed. That it was processed is a mark beside it, so that counting asks
// NATS for numbers and never reads what people wrote. Keys contain the owner name of an account, which is no address, and a
// day.
//
// It knows nothing of HTTP, and writes neither an address nor what somebody wrote into an error or a log.
package feedback
