package queue

import "time"

// Hurry sets how long a publish waits before it is sent again, and before it fails without a connection.
func (q *Queue) Hurry(resend, away time.Duration) {
	q.timing = timing{poll: resend / 5, resend: resend, away: away}
}

// MaxSends bounds how often one publish is sent.
const MaxSends = maxSends
