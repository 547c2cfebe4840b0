package jobs

// Step names a step of a submission, a settlement or a deletion.
type Step string

// The steps of a settlement, in their order.
const (
	StepMedia  Step = "media"
	StepRecord Step = "record"
	// StepNotice notifies the worker that has the job that it was ended from outside.
	StepNotice Step = "notice"
	// StepFollowUp stores the dead letter, publishes the event to the webhook and refunds the quota.
	StepFollowUp Step = "follow_up"
	// StepUnqueue removes the message from the queue.
	StepUnqueue  Step = "unqueue"
	StepProgress Step = "progress"
)

const (
	// stepRemoveTombstone is the removal of the tombstone of a deleted job whose key is used again.
	stepRemoveTombstone Step = "remove_tombstone"
	// stepReferences is the copying of the reference images of a job, before it is published.
	stepReferences Step = "references"
	// stepPush is the publish of a job, before the submission returns.
	stepPush Step = "push"
	// stepSettling is a deletion's finding that the job has ended and is not settled yet.
	stepSettling Step = "settling"
	// stepDeletable is a deletion's check that the job is settled, before anything is removed.
	stepDeletable Step = "deletable"
)

func (s *Service) stepDone(step Step) error {
	if s.after == nil {
		return nil
	}
	return s.after(step)
}
