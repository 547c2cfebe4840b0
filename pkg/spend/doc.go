// Package spend counts what the jobs of members have cost, by day, kind, model and API key. The counters are stored in NATS; each job
// is counted once, however often its end is repeated and wherever a process dies.
package spend
