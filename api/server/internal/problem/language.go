package problem

import (
	"maps"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Words is a sentence in every language.
type Words struct{ English, Chinese string }

// In returns the sentence in a language.
func (w Words) In(lang job.Lang) string {
	if lang == job.Chinese {
		return w.Chinese
	}
	return w.English
}

// maxLanguageHeader is the longest Accept-Language that is parsed; browsers send a tenth of that.
const maxLanguageHeader = 256

// matcher returns a matcher of the supported languages.
var matcher = sync.OnceValue(func() language.Matcher {
	return language.NewMatcher([]language.Tag{language.English, language.Chinese})
})

// Lang returns the language of the response, according to Accept-Language.
func Lang(c *gin.Context) job.Lang {
	header := c.GetHeader("Accept-Language")
	if header == "" || len(header) > maxLanguageHeader {
		return job.English
	}
	if _, index := language.MatchStrings(matcher(), header); index == 1 {
		return job.Chinese
	}
	return job.English
}

// Translate translates the sentences of j and returns it. The values that j points to may be shared, so they are replaced and
// not modified.
func Translate(j *jobview.Job, lang job.Lang) *jobview.Job {
	j.Translate(lang)
	j.Error = TranslateError(j.Error, lang)
	j.LastError = TranslateError(j.LastError, lang)
	if j.Result != nil && len(j.Result.Missing) > 0 {
		missing := make([]job.Missing, len(j.Result.Missing))
		for i, m := range j.Result.Missing {
			missing[i] = job.Missing{Index: m.Index, Error: *TranslateError(&m.Error, lang)}
		}
		result := *j.Result
		result.Missing = missing
		j.Result = &result
	}
	return j
}

// TranslateError returns a copy of an error of a job with its sentence in a language.
func TranslateError(e *job.Error, lang job.Lang) *job.Error {
	if e == nil || lang == job.English {
		return e
	}
	translated := *e
	translated.Message = e.Sentence(lang)
	return &translated
}

// types holds the names of the JSON types.
var types = map[string]Words{
	"string":  {"a string", "字符串"},
	"integer": {"an integer", "整数"},
	"number":  {"a number", "数字"},
	"boolean": {"true or false", "true 或 false"},
	"object":  {"an object", "对象"},
	"array":   {"an array", "数组"},
}

// fieldSentence returns the sentence of a field error.
func fieldSentence(field job.FieldError, lang job.Lang) string {
	if want, ok := types[field.Args["want"]]; ok {
		args := maps.Clone(field.Args)
		args["want"] = want.In(lang)
		field.Args = args
	}
	return field.Sentence(lang)
}

// titles holds the Chinese reason phrases of statuses.
var titles = map[int]string{
	http.StatusBadRequest:                   "请求无效",
	http.StatusUnauthorized:                 "未认证",
	http.StatusPaymentRequired:              "配额不足",
	http.StatusForbidden:                    "禁止访问",
	http.StatusNotFound:                     "未找到",
	http.StatusMethodNotAllowed:             "方法不允许",
	http.StatusRequestTimeout:               "请求超时",
	http.StatusConflict:                     "状态冲突",
	http.StatusRequestEntityTooLarge:        "请求体过大",
	http.StatusUnsupportedMediaType:         "不支持的媒体类型",
	http.StatusRequestedRangeNotSatisfiable: "范围无效",
	http.StatusMisdirectedRequest:           "请求目标错误",
	http.StatusUnprocessableEntity:          "无法处理",
	http.StatusTooManyRequests:              "请求过多",
	http.StatusInternalServerError:          "内部错误",
	http.StatusBadGateway:                   "上游错误",
	http.StatusServiceUnavailable:           "服务不可用",
	http.StatusGatewayTimeout:               "等待超时",
}

func title(status int, lang job.Lang) string {
	if t, ok := titles[status]; ok && lang == job.Chinese {
		return t
	}
	return http.StatusText(status)
}
