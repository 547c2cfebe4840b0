// Package webhook sends the events of jobs to the URLs of their owners, as https://www.standardwebhooks.com describes.
//
// A delivery is one message of the bucket WEBHOOKS: its key names the event, so that an event that is published twice is stored
// once, and its value is the state, such as when the next attempt is due. A durable consumer passes every stored state to one of
// the API processes, which sends the event if it is due, stores the next state in place of this one, and otherwise returns the
// message until then. A process that dies after it has sent an event, but before it has stored that, sends it again with the
// same id.
//
// Deliveries are not in the stream JOBS: there they would count against the limits of jobs, and a full queue would refuse the
// event of a job that ends.
package webhook
