package server

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// generation is the body of POST /api/generate.
type generation struct {
	Text     string     `json:"text"`
	Type     string     `json:"type"`
	Width    *int       `json:"width"`
	Height   *int       `json:"height"`
	Seed     *int64     `json:"seed"`
	NoLogo   *bool      `json:"nologo"`
	Negative string     `json:"negative"`
	Model    string     `json:"model"`
	Voice    string     `json:"voice"`
	Speed    *float64   `json:"speed"`
	Format   string     `json:"format"`
	Mode     *bind.Node `json:"mode"`
}

// speed returns the speed of the speech. The original's page sends the mode "tts" and changes the playback rate itself, so
// its speech is generated at normal speed, as MP3. A speed out of range is still rejected.
func (g *generation) speed() *float64 {
	changesRate := g.Mode != nil && g.Mode.Kind == bind.String && g.Mode.Text == "tts"
	if changesRate && g.Speed != nil && *g.Speed >= job.MinSpeed && *g.Speed <= job.MaxSpeed {
		return nil
	}
	return g.Speed
}

// generate is POST /api/generate of the original: one image as base64 or speech as bytes.
func (h *originalHandler) generate(c *gin.Context) error {
	var g generation
	b, err := bind.Lenient(c, &g)
	if err != nil {
		return err
	}
	switch g.Type {
	case string(job.KindImage):
		in := &job.ImageInput{
			Prompt: g.Text, Negative: g.Negative, Model: g.Model,
			Width: g.Width, Height: g.Height, Seed: g.Seed, NoLogo: g.NoLogo,
		}
		return h.generateImage(c, in, b.Faults, "text")
	case string(job.KindAudio):
		in := &job.AudioInput{Text: g.Text, Voice: g.Voice, Model: g.Model, Speed: g.speed(), Format: g.Format}
		return h.generateSpeech(c, in, b.Faults)
	}
	if strings.TrimSpace(g.Text) == "" && !bind.Has(b.Faults, "/text") {
		b.Add("/text", "required")
	}
	switch {
	case bind.Has(b.Faults, "/type"):
	case g.Type == "":
		b.Add("/type", "required")
	default:
		b.Add("/type", "unknown_value", "known", bind.Join([]job.Kind{job.KindImage, job.KindAudio}))
	}
	return problem.Invalid(b.Faults...)
}

// imageRequest is the body of POST /api/pollinations/image.
type imageRequest struct {
	Prompt   string `json:"prompt"`
	Negative string `json:"negative"`
	Model    string `json:"model"`
	Width    *int   `json:"width"`
	Height   *int   `json:"height"`
	Seed     *int64 `json:"seed"`
	NoLogo   *bool  `json:"nologo"`
}

// generateFromPrompt is POST /api/pollinations/image of the original.
func (h *originalHandler) generateFromPrompt(c *gin.Context) error {
	var p imageRequest
	b, err := bind.Lenient(c, &p)
	if err != nil {
		return err
	}
	in := &job.ImageInput{
		Prompt: p.Prompt, Negative: p.Negative, Model: p.Model,
		Width: p.Width, Height: p.Height, Seed: p.Seed, NoLogo: p.NoLogo,
	}
	return h.generateImage(c, in, b.Faults, "prompt")
}

// generateImage generates one image.
func (h *originalHandler) generateImage(c *gin.Context, in *job.ImageInput, faults []job.FieldError, text string) error {
	models := h.models(c.Request.Context())
	in.Model = servedModel(c, in.Model, h.submitter.Defaults().ImageModel, models.Images, h.catalogue.Images)
	m, data, err := h.runForMedia(c, models, job.KindImage, in, faults, text)
	if err != nil {
		return unlessResponded(err)
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, map[string]string{
		"type": "image", "data": base64.StdEncoding.EncodeToString(data), "format": "base64",
		"content_type": safeType(m.ContentType),
	})
	return nil
}

// generateSpeech generates speech.
func (h *originalHandler) generateSpeech(c *gin.Context, in *job.AudioInput, faults []job.FieldError) error {
	models := h.models(c.Request.Context())
	in.Model = servedModel(c, in.Model, h.submitter.Defaults().AudioModel, models.Speech, h.catalogue.Speech)
	m, data, err := h.runForMedia(c, models, job.KindAudio, in, faults, "text")
	if err != nil {
		return unlessResponded(err)
	}
	c.Header("Cache-Control", "no-store")
	respond.Bytes(c, http.StatusOK, safeType(m.ContentType), data)
	return nil
}

// unlessResponded returns err, or nil if it is errResponded.
func unlessResponded(err error) error {
	if errors.Is(err, errResponded) {
		return nil
	}
	return err
}
