package job

// Waiting is the reason why a job waits that could otherwise run.
type Waiting struct {
	// Upstream is the upstream whose circuit breaker is open; empty if an operator has paused the kind.
	Upstream string
	// Reason is a code of Error, or ReasonPaused.
	Reason string
	// Until is when the upstream is tried again; nil while another job probes it.
	Until *Time
}

// ReasonIdentical is the reason of a Waiting if an identical job is under way, whose result the job will have too.
const ReasonIdentical = "identical_job"

// ReasonPaused is the reason of a Waiting if an operator has paused the kind of job.
const ReasonPaused = "paused_by_operator"
