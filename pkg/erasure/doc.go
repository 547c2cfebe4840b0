// Package erasure deletes accounts together with everything that belongs to them.
//
// A deletion is stored before anything is removed. What a concurrent request or worker still stores afterwards is removed by
// that request once it finds that the account is gone, and otherwise by the sweeper, which repeats each erasure until nothing
// can be under way any more. The sweeper also completes the deletions of processes that died.
package erasure
