package server

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// speak is POST /v1/audio/speech.
func (h *openAIHandler) speak(c *gin.Context) error {
	var r openai.SpeechRequest
	b, err := bind.Lenient(c, &r)
	if err != nil {
		return err
	}
	models := h.models(c.Request.Context())
	in := r.JobInput(b)
	defaults := h.submitter.Defaults()
	in.Model = h.model(c, in.Model, defaults.AudioModel, models.Speech, h.catalogue.Speech, openai.SpeechModel)
	if m, ok := models.SpeechModel(in.Model); ok {
		if voice := openai.Voice(m, in.Voice, defaults.Voice); voice != in.Voice {
			warn(c, "The model %s has no voice %s; %s was used.", m.Name, in.Voice, voice)
			in.Voice = voice
		}
	}
	o, err := h.order(job.KindAudio, in, models, b, openai.SpeechFaults)
	if err != nil {
		return err
	}
	call, err := h.submitCall(c, o)
	if err != nil || call == nil {
		return err
	}
	defer call.release()
	if strings.EqualFold(r.StreamFormat, openai.StreamEvents) {
		return h.streamSpeech(c, call)
	}
	record, err := h.finish(c, call)
	if err != nil {
		return err
	}
	m, data, err := firstMedia(c, h.store, record)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	respond.Bytes(c, http.StatusOK, openai.SpeechType(m, safeType(m.ContentType)), data)
	return nil
}
