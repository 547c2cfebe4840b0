// Package control stores the state that the processes of an installation share besides jobs, in the bucket CONTROL: circuit
// breakers of upstreams, pauses and runtime switches of operators, leases, registered workers and the deployment history.
//
// A Store accesses NATS with each call. A Controller keeps the circuit breakers, pauses and switches in memory, up to date
// within a second, and pauses the consumers of the queue accordingly.
package control
