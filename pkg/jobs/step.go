package jobs

import "github.com/text2image-audio/text2image-audio/pkg/store"

// The steps that the service takes, beside those of the store, in their order: first a submission's, then those behind a
// terminal record. Tests stop the program behind them.
const (
	// StepUnfence is behind the forgetting of a deleted job that a key is used for again.
	StepUnfence store.Step = "unfence"
	// StepDeletable is behind a deletion's look whether the job is settled, before anything is removed.
	StepDeletable store.Step = "deletable"
	// StepPush is behind the publishing of a job, before its caller is answered.
	StepPush store.Step = "push"
	// StepNotice is behind the notice to whichever worker has the job.
	StepNotice store.Step = "notice"
	// StepFollowUp is behind the dead letter and whatever else follows a record.
	StepFollowUp store.Step = "follow_up"
	// StepUnqueue is behind the job's leaving the queue.
	StepUnqueue store.Step = "unqueue"
	// StepProgress is behind the dropping of the progress, the last step.
	StepProgress store.Step = "progress"
)

func (l *Service) passed(step store.Step) error {
	if l.after == nil {
		return nil
	}
	return l.after(step)
}
