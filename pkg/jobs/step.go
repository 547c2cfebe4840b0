package jobs

// Step names a step of a submission, a settlement or a deletion. Tests stop the program after each of them.
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
	// stepRemoveTombstone is the removal of the tombstone of a deleted job whose key is used again.
	stepRemoveTombstone Step = "remove_tombstone"
	// stepPush is the publish of a job, before its caller is answered.
	stepPush Step = "push"
	// stepDeletable is a deletion's check that the job is settled, before anything is removed.
	stepDeletable Step = "deletable"
)

func (s *Service) stepDone(step Step) error {
	if s.after == nil {
		return nil
	}
	return s.after(step)
}
