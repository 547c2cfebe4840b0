package job

import (
	"maps"
	"slices"
)

// Error is the reason why a job failed, as shown to clients.
type Error struct {
	Code string `json:"code"`
	// Message is the English sentence of Code; a server may replace it by a translation.
	Message string `json:"message"`
	// Retryable reports whether the same request may succeed later.
	Retryable      bool `json:"retryable"`
	UpstreamStatus int  `json:"upstream_status,omitempty"`
	// Cause is the code of the last error of a job that exceeded its deadline, if any; UpstreamStatus is then that of the cause.
	Cause string `json:"cause,omitempty"`
}

// The codes of Error.
const (
	CodeDeadline       = "deadline_exceeded"
	CodeWorkerLost     = "worker_lost"
	CodeInternal       = "internal_error"
	CodeInvalidJob     = "invalid_job"
	CodeUnavailable    = "upstream_unavailable"
	CodeTimeout        = "upstream_timeout"
	CodeThrottled      = "upstream_throttled"
	CodeRejected       = "upstream_rejected"
	CodeReference      = "reference_image_refused"
	CodeInvalidAnswer  = "upstream_invalid_answer"
	CodeUnusable       = "upstream_unusable_answer"
	CodeTooLarge       = "upstream_too_large"
	CodeModerated      = "content_moderated"
	CodeMisconfigured  = "upstream_misconfigured"
	CodeCanceledByUser = "canceled"
)

// failure describes a code of Error.
type failure struct {
	retryable bool
	text      words
}

var failures = map[string]failure{
	CodeDeadline:       {true, words{"The job was not finished before its deadline.", "任务未能在截止时间前完成。"}},
	CodeWorkerLost:     {true, words{"The job's worker was lost too many times.", "处理该任务的进程多次中断。"}},
	CodeInternal:       {true, words{"Something went wrong on our side.", "服务内部出错。"}},
	CodeInvalidJob:     {false, words{"The stored job could not be read.", "无法读取已存储的任务。"}},
	CodeUnavailable:    {true, words{"The generation service could not be reached or was out of order.", "生成服务无法连接或暂时故障。"}},
	CodeTimeout:        {true, words{"The generation service did not answer in time.", "生成服务未能及时响应。"}},
	CodeThrottled:      {true, words{"The generation service is too busy.", "生成服务过于繁忙。"}},
	CodeRejected:       {false, words{"The generation service refused this request.", "生成服务拒绝了该请求。"}},
	CodeReference:      {false, words{"The generation service could not fetch or use a reference image. Please check its URL, size and format.", "生成服务无法获取或使用参考图片，请检查其地址、大小和格式。"}},
	CodeInvalidAnswer:  {true, words{"The generation service returned an invalid response.", "生成服务返回的内容无法使用。"}},
	CodeUnusable:       {false, words{"The generation service returned a file of a type that is not accepted for this request. Please choose another model or format.", "生成服务为该请求返回的文件类型不被接受，请更换模型或格式。"}},
	CodeTooLarge:       {false, words{"The generation service returned too much data.", "生成服务返回的数据过大。"}},
	CodeModerated:      {false, words{"The request was refused by content moderation. Please change the text.", "该请求未通过内容审核，请修改文字。"}},
	CodeMisconfigured:  {true, words{"The generation service does not accept this installation's credentials, balance or settings; its operator must fix this.", "生成服务不接受本站的凭据、余额或设置，需由运维人员处理。"}},
	CodeCanceledByUser: {true, words{"The job was canceled.", "任务已取消。"}},
}

// NewError returns the Error of a code; upstreamStatus is the HTTP status of the upstream, 0 if there is none.
func NewError(code string, upstreamStatus int) *Error {
	f := failures[code]
	return &Error{Code: code, Message: FailureSentence(code, English), Retryable: f.retryable, UpstreamStatus: upstreamStatus}
}

// Because returns a copy of e with the last error as its cause, or e itself if last is nil or has the same code.
func (e *Error) Because(last *Error) *Error {
	if last == nil || last.Code == e.Code {
		return e
	}
	caused := *e
	caused.Cause, caused.UpstreamStatus = last.Code, last.UpstreamStatus
	caused.Message = caused.Sentence(English)
	return &caused
}

// Sentence returns the sentence of the error, followed by that of its cause if there is one.
func (e *Error) Sentence(lang Lang) string {
	sentence := FailureSentence(e.Code, lang)
	cause, ok := failures[e.Cause]
	switch {
	case !ok:
		return sentence
	case lang == Chinese:
		return sentence + cause.text.zh
	}
	return sentence + " " + cause.text.en
}

// FailureSentence returns the sentence of a code of Error.
func FailureSentence(code string, lang Lang) string {
	f, ok := failures[code]
	if !ok {
		return code
	}
	return f.text.in(lang)
}

// FailureCodes returns all codes of Error.
func FailureCodes() []string { return slices.Sorted(maps.Keys(failures)) }
