package server

import (
	"errors"
	"maps"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// textRequest is the body of a request to improve or translate a text.
type textRequest struct {
	Text string `json:"text"`
}

// optimizePrompt is POST /api/prompts/optimize, and its older name /api/optimize, of the original.
func (h *originalHandler) optimizePrompt(c *gin.Context) error {
	text, improved, err := h.runText(c, job.KindPrompt)
	if err != nil {
		// A client that ignores the status continues with its own text.
		return h.echo(c, err, map[string]any{"optimized_text": text, "raw_optimized": text, "original_prompt": text})
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, map[string]string{
		"optimized_text": improved, "raw_optimized": improved, "original_prompt": text,
	})
	return nil
}

// translateText is POST /api/translate of the original.
func (h *originalHandler) translateText(c *gin.Context) error {
	text, translated, err := h.runText(c, job.KindTranslation)
	if err != nil {
		return h.echo(c, err, map[string]any{"translated_text": text, "translated": false})
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, map[string]any{"translated_text": translated, "translated": true})
	return nil
}

// runText runs a job for the text in the body and returns the text and the result.
func (h *originalHandler) runText(c *gin.Context, kind job.Kind) (text, result string, err error) {
	var request textRequest
	b, err := bind.Lenient(c, &request)
	if err != nil {
		return "", "", err
	}
	text = request.Text
	record, err := h.run(c, h.models(c.Request.Context()), kind, &job.TextInput{Text: text}, b.Faults, "text")
	if err != nil {
		return text, "", err
	}
	if record.Result == nil || record.Result.Text == "" {
		return text, "", &problem.Problem{Code: problem.CodeInternal, Cause: errors.New("job succeeded without text")}
	}
	return text, record.Result.Text, nil
}

// echo adds the caller's text to the body of an error, where the original's clients expect it.
func (h *originalHandler) echo(c *gin.Context, err error, extra map[string]any) error {
	if errors.Is(err, errResponded) {
		return nil
	}
	p := h.problems.ToProblem(c.Request.Context(), err)
	both := maps.Clone(extra)
	maps.Copy(both, p.Extra)
	p.Extra = both
	return p
}
