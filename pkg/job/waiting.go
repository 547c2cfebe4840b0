package job

import "time"

// Waiting is the reason why a job waits that could otherwise run.
type Waiting struct {
	// Upstream is the upstream whose circuit breaker is open; empty if an operator has paused the kind.
	Upstream string
	// Reason is a code of Error, or ReasonPaused.
	Reason string
	// Until is when the upstream is tried again; nil while another job probes it.
	Until *Time
}

// ReasonPaused is the reason of a Waiting if an operator has paused the kind of job.
const ReasonPaused = "paused_by_operator"

var upstreamNames = map[string]words{
	UpstreamImage:    {"the image service", "图片服务"},
	UpstreamSpeech:   {"the speech service", "语音服务"},
	UpstreamLanguage: {"the language model", "语言模型"},
}

var waitingSentences = map[string]words{
	"upstream": {"{upstream}, next try at {until}", "{upstream}，将于 {until} 再次尝试"},
	"probing":  {"{upstream}, which is being tried now", "{upstream}，正在尝试"},
	"paused":   {"an operator, who has paused this kind of job until {until}", "运维人员，此类任务已暂停至 {until}"},
}

// Sentence returns a sentence that describes what the job waits for.
func (w Waiting) Sentence(lang Lang) string {
	key, args := "upstream", map[string]string{}
	if w.Until != nil {
		args["until"] = w.Until.UTC().Format(time.RFC3339)
	} else {
		key = "probing"
	}
	if w.Reason == ReasonPaused {
		key = "paused"
	} else {
		args["upstream"] = sentence(upstreamNames, w.Upstream, lang)
	}
	return fillIn(sentence(waitingSentences, key, lang), args)
}

// Hold adds w to the view.
func (j *Job) Hold(w Waiting) {
	j.waiting, j.WaitingReason, j.WaitingFor = &w, w.Reason, w.Sentence(English)
	if w.Until != nil {
		j.NextAttemptAt = w.Until
	}
}

// Translate replaces the sentence in WaitingFor by that of another language.
func (j *Job) Translate(lang Lang) {
	if j.waiting != nil {
		j.WaitingFor = j.waiting.Sentence(lang)
	}
}
