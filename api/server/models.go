package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// modelHandler serves the list of models.
type modelHandler struct {
	models    func(context.Context) *job.Catalogue
	submitter *jobs.Submitter
	control   *control.Controller
}

// modelList is the response of GET /api/models.
type modelList struct {
	*job.Catalogue
	Defaults modelDefaults `json:"defaults"`
	Limits   modelLimits   `json:"limits"`
	// Mode is "simulator", "live", "mixed" when workers differ, or "none" while no worker runs.
	Mode string `json:"mode"`
}

// modelDefaults apply to requests that omit these fields.
type modelDefaults struct {
	ImageModel string `json:"image_model"`
	AudioModel string `json:"audio_model"`
	Voice      string `json:"voice"`
}

// modelLimits apply to every model.
type modelLimits struct {
	PromptCharacters int     `json:"prompt_characters"`
	SpeechCharacters int     `json:"speech_characters"`
	MinSide          int     `json:"min_side"`
	MaxSide          int     `json:"max_side"`
	MaxPixels        int     `json:"max_pixels"`
	MaxImages        int     `json:"max_images"`
	MinSpeed         float64 `json:"min_speed"`
	MaxSpeed         float64 `json:"max_speed"`
}

// modelsAge is how long a client may cache the list, in seconds.
const modelsAge = "60"

// listModels is GET /api/models.
func (h *modelHandler) listModels(c *gin.Context) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	models := h.models(ctx)
	list := *models
	list.V = 0 // The version of the stored format.
	d := h.submitter.Defaults().In(models)
	c.Header("Cache-Control", "public, max-age="+modelsAge)
	data, err := respond.Encode(modelList{
		Catalogue: &list,
		Defaults:  modelDefaults{ImageModel: d.ImageModel, AudioModel: d.AudioModel, Voice: d.Voice},
		Limits: modelLimits{
			PromptCharacters: job.MaxPrompt, SpeechCharacters: job.MaxSpeech, MinSide: job.MinSide, MaxSide: job.MaxSide,
			MaxPixels: job.MaxPixels, MaxImages: job.MaxImages, MinSpeed: job.MinSpeed, MaxSpeed: job.MaxSpeed,
		},
		Mode: h.mode(ctx),
	})
	if err != nil {
		return err
	}
	// The page reads the list when it opens, and compressed it is a fifth.
	respond.Vary(c, "Accept-Encoding")
	if accepts(c.GetHeader("Accept-Encoding"), "gzip") {
		if small := compress(data, gzipWriter); small != nil {
			c.Header("Content-Encoding", "gzip")
			data = small
		}
	}
	respond.Bytes(c, http.StatusOK, "application/json; charset=utf-8", data)
	return nil
}

// mode returns modelList.Mode.
func (h *modelHandler) mode(ctx context.Context) string {
	workers, err := h.control.Workers(ctx)
	modes := map[string]int{}
	mode := "none"
	for _, w := range workers {
		modes[w.Mode]++
		mode = w.Mode
	}
	if err != nil || len(modes) == 0 {
		return "none"
	}
	if len(modes) > 1 {
		return "mixed"
	}
	return mode
}
