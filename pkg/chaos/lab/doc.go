// Package lab runs the chaos tests. It starts the real programs and real nats-servers as child processes, injects faults
// while clients use them, and then compares the responses that the clients received with the store.
//
// A seed decides which faults and requests occur, and when. It does not decide how the threads of the programs interleave,
// so reproducing a failure may take several runs with its seed.
package lab
