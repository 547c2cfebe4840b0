package jobview

import (
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// words is a sentence, or a part of one, in all languages.
type words struct{ english, chinese string }

func (w words) in(lang job.Lang) string {
	if lang == job.Chinese {
		return w.chinese
	}
	return w.english
}

var upstreams = map[string]words{
	job.UpstreamImage:    {"the image service", "图片服务"},
	job.UpstreamSpeech:   {"the speech service", "语音服务"},
	job.UpstreamLanguage: {"the language model", "语言模型"},
}

var (
	waitingForUpstream = words{"{upstream}, next try at {until}", "{upstream}，将于 {until} 再次尝试"}
	waitingForProbe    = words{"{upstream}, which is being tried now", "{upstream}，正在尝试"}
	waitingForJob      = words{"an identical job, whose result this one will have too", "另一个相同的任务，其结果也将用于本任务"}
	waitingForOperator = words{"an operator, who has paused this kind of job until {until}", "运维人员，此类任务已暂停至 {until}"}
)

// WaitingFor returns the sentence that describes what a job waits for.
func WaitingFor(w job.Waiting, lang job.Lang) string {
	upstream, until, sentence := w.Upstream, "", waitingForProbe
	if name, ok := upstreams[w.Upstream]; ok {
		upstream = name.in(lang)
	}
	if w.Until != nil {
		until, sentence = w.Until.UTC().Format(time.RFC3339), waitingForUpstream
	}
	switch w.Reason {
	case job.ReasonPaused:
		sentence = waitingForOperator
	case job.ReasonIdentical:
		sentence = waitingForJob
	}
	return strings.NewReplacer("{upstream}", upstream, "{until}", until).Replace(sentence.in(lang))
}

// SetWaiting adds what the job waits for to the view.
func (j *Job) SetWaiting(w job.Waiting) {
	j.waiting, j.WaitingReason, j.WaitingFor = &w, w.Reason, WaitingFor(w, job.English)
	if w.Until != nil {
		j.NextAttemptAt = w.Until
	}
}

// Translate replaces the sentence in WaitingFor by that of another language.
func (j *Job) Translate(lang job.Lang) {
	if j.waiting != nil {
		j.WaitingFor = WaitingFor(*j.waiting, lang)
	}
}
