package queue

import "time"

// Hurry sets how long a publish waits before it is sent again, and before it fails without a connection.
func (q *Queue) Hurry(resend, away time.Duration) {
	q.timing = timing{poll: resend / 5, resend: resend, away: away}
}

// ReusePositions sets from which position on, and for how long, a position is used again.
func (q *Queue) ReusePositions(from int, period time.Duration) {
	q.places.reuse = reuse{from: from, each: period, most: period}
}

// MaxSends bounds how often one publish is sent.
const MaxSends = maxSends
