// Package lab is the crash laboratory: it runs the real programs and a real nats-server as child processes on this
// machine, has clients use them while it kills, pauses, cuts and starves them, and then holds what the clients were told
// against what is stored.
//
// A seed decides which faults and requests come and when. It does not decide how the programs' own threads interleave,
// so a seed that found something may have to be run more than once to find it again.
package lab
