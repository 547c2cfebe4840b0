// Package measure runs the program api as a child process, against an upstream that answers at once, and measures what one node
// carries. Each figure is reported beside its ceiling: what the parts below, Gin, JetStream and the disk, reach in the same run.
// Only the ratio of the two can be compared between machines.
//
// Nothing is measured that is not checked: a refused submission, a missing or incomplete result and a lost event end the run.
package measure
