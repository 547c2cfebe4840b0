package server

import (
	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// maxLanguageHeader bounds what is parsed of Accept-Language; browsers send a tenth of it.
const maxLanguageHeader = 256

// lang returns the language in which to speak to the caller.
func (s *Server) lang(c *gin.Context) job.Lang {
	header := c.GetHeader("Accept-Language")
	if header == "" || len(header) > maxLanguageHeader {
		return job.English
	}
	if _, index := language.MatchStrings(s.matcher, header); index == 1 {
		return job.Chinese
	}
	return job.English
}

// words is one sentence in every language.
type words struct{ en, zh string }

func (w words) in(lang job.Lang) string {
	if lang == job.Chinese {
		return w.zh
	}
	return w.en
}

// translate puts the sentences of a job's errors into a language. The job is a view of the caller's own; what it points
// to may be shared, so an error is replaced and never changed.
func translate(j *job.Job, lang job.Lang) *job.Job {
	j.Translate(lang)
	j.Error = translateError(j.Error, lang)
	j.LastError = translateError(j.LastError, lang)
	if j.Result != nil && len(j.Result.Missing) > 0 {
		missing := make([]job.Missing, len(j.Result.Missing))
		for i, m := range j.Result.Missing {
			missing[i] = job.Missing{Index: m.Index, Error: *translateError(&m.Error, lang)}
		}
		result := *j.Result
		result.Missing = missing
		j.Result = &result
	}
	return j
}

func translateError(e *job.Error, lang job.Lang) *job.Error {
	if e == nil || lang == job.English {
		return e
	}
	translated := *e
	translated.Message = e.Sentence(lang)
	return &translated
}
