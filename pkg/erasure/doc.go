// Package erasure deletes accounts together with everything that belongs to them.
//
// A deletion is stored before anything is removed. What a request or a worker that was under way leaves behind is removed by
// the same request once it finds that the account is gone, and otherwise by the sweeper, which looks at each deletion again
// until nothing can be under way any more. It also finishes the deletions of processes that died.
package erasure
