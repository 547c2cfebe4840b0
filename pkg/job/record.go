package job

import "errors"

// Record is the terminal record of a job. It is written once and never changes.
type Record struct {
	V      int    `json:"v"`
	Status Status `json:"status"`
	Spec   *Spec  `json:"spec"`
	// Attempt is the number of the last attempt; 0 if there was none.
	Attempt int `json:"attempt"`
	Counts
	StartedAt  *Time      `json:"started_at,omitempty"`
	FinishedAt Time       `json:"finished_at"`
	Result     *Result    `json:"result,omitempty"`
	Error      *Error     `json:"error,omitempty"`
	Cancel     CancelKind `json:"cancel,omitempty"`
	// Cached reports that the result is a copy of that of an identical job.
	Cached bool `json:"cached,omitempty"`
}

// CancelKind is when a job was canceled. The upstream may still bill a call that was in progress.
type CancelKind string

// The kinds of cancel.
const (
	CancelBeforeStart  CancelKind = "before_start"
	CancelWhileRunning CancelKind = "while_running"
)

// Result is the result of a job.
type Result struct {
	Media []Media `json:"media,omitempty"`
	// Text is the improved or translated text.
	Text string `json:"text,omitempty"`
	// Upstream is the provider that served; empty without a list of providers, and for a set that several served.
	Upstream string `json:"upstream,omitempty"`
	// Prompt is set if the prompt was improved.
	Prompt *PromptPair `json:"prompt,omitempty"`
	// Missing are the images of a set that could not be generated.
	Missing []Missing `json:"missing,omitempty"`
	// Usage is the usage of all upstream calls that led to the result.
	Usage *Usage `json:"usage,omitempty"`
}

// PromptPair is a prompt before and after it was improved.
type PromptPair struct {
	Original  string `json:"original"`
	Optimized string `json:"optimized"`
}

// Missing is an image that could not be generated, with the reason.
type Missing struct {
	Index int   `json:"index"`
	Error Error `json:"error"`
}

// Media describes one stored image or audio file. It is also part of the manifest that locates its bytes.
type Media struct {
	Index       int    `json:"index"`
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	Seed        *int64 `json:"seed,omitempty"`
	Model       string `json:"model,omitempty"`
	// Upstream is the provider that made it; empty without a list of providers.
	Upstream string `json:"upstream,omitempty"`
	// SampleRate and Channels describe raw samples (audio/pcm: 16 bits, little-endian), which have no header; 0 for all other
	// types.
	SampleRate int `json:"sample_rate,omitempty"`
	Channels   int `json:"channels,omitempty"`
	// Usage is the usage of generating it, if the upstream reports it.
	Usage *Usage `json:"usage,omitempty"`
}

// Encode returns the stored form.
func (r *Record) Encode() ([]byte, error) {
	r.V = Version
	return encode("record", r)
}

// DecodeRecord decodes a stored record. It fails with ErrNewer when a newer version wrote it.
func DecodeRecord(b []byte) (*Record, error) {
	r, err := decode[Record]("record", b, Version)
	if err != nil {
		return nil, err
	}
	if r.Spec == nil || !r.Status.Terminal() {
		return nil, errors.New("decode record: incomplete")
	}
	return r, nil
}

// DeadLetter is a failed job as shown to the operator: the request, the attempts and the last error.
type DeadLetter struct {
	V        int    `json:"v"`
	Spec     *Spec  `json:"spec"`
	Attempt  int    `json:"attempt"`
	FailedAt Time   `json:"failed_at"`
	Error    *Error `json:"error"`
	// Detail is the response of the upstream, for the operator only.
	Detail string `json:"detail,omitempty"`
	Counts
}

// Encode returns the stored form.
func (d *DeadLetter) Encode() ([]byte, error) {
	d.V = Version
	if d.Spec != nil {
		d.V = d.Spec.version()
	}
	return encode("dead letter", d)
}

// DecodeDeadLetter decodes a stored dead letter. It fails with ErrNewer when a newer version wrote it.
func DecodeDeadLetter(b []byte) (*DeadLetter, error) {
	d, err := decode[DeadLetter]("dead letter", b, versionReferences)
	if err != nil {
		return nil, err
	}
	if d.Spec == nil || d.Error == nil {
		return nil, errors.New("decode dead letter: incomplete")
	}
	return d, nil
}
