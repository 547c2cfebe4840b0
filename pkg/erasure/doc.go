// Package erasure deletes accounts with all their data.
//
// A deletion is stored before anything is removed. Data that concurrent requests or workers store afterwards is removed by the
// requests themselves, once they find that the account is gone, or by the sweeper, which repeats each erasure until none of them
// can still be running. The sweeper also completes the deletions of processes that died.
package erasure
