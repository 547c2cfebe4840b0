package jobs

// Step names a step of a submission, a settlement or a deletion. Tests stop the program behind them.
type Step string

// The steps of a settlement, in their order.
const (
	StepMedia  Step = "media"
	StepRecord Step = "record"
	// StepNotice tells whichever worker has the job that it was ended from outside.
	StepNotice Step = "notice"
	// StepFollowUp is the dead letter and the refund.
	StepFollowUp Step = "follow_up"
	// StepUnqueue removes the job from the queue.
	StepUnqueue  Step = "unqueue"
	StepProgress Step = "progress"
)

const (
	// stepUnfence is behind the removal of the mark of a deleted job whose key is used again.
	stepUnfence Step = "unfence"
	// stepPush is behind the publishing of a job, before its caller is answered.
	stepPush Step = "push"
	// stepDeletable is behind a deletion's check that the job is settled, before anything is removed.
	stepDeletable Step = "deletable"
)

func (l *Service) passed(step Step) error {
	if l.after == nil {
		return nil
	}
	return l.after(step)
}
