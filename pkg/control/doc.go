// Package control is what the processes of an installation agree on beside the jobs themselves, in the bucket CONTROL: the
// circuit breakers of the upstreams, the operators' pauses and runtime switches, leases, registered workers and the record
// of deployments.
//
// A Store reads and writes all of it with each call. A Controller keeps the circuit breakers, pauses and switches in memory,
// up to date within a second, and pauses the consumers of the queue accordingly.
package control
