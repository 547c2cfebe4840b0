package server

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
)

// openAIModelPath is the route of one model.
const openAIModelPath = "/v1/models/*id"

// listModels is GET /v1/models. Programs use it to check their key, so a wrong one is an error.
func (h *openAIHandler) listModels(c *gin.Context) error {
	if err := h.checkKey(c); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	c.Header("Cache-Control", "private, max-age="+modelsAge)
	respond.JSON(c, http.StatusOK, openai.Models(h.models(ctx)))
	return nil
}

// checkKey fails if the API key or token of a request is wrong. A key needs no scope.
func (h *openAIHandler) checkKey(c *gin.Context) error {
	if key, ok := session.APIKey(c.Request); ok {
		_, err := h.sessions.IdentifyKey(c, key)
		return err
	}
	_, err := h.sessions.Member(c)
	return err
}

// getModel is GET /v1/models/*id. The names of some models contain a slash.
func (h *openAIHandler) getModel(c *gin.Context) error {
	if err := h.checkKey(c); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	m, ok := openai.FindModel(h.models(ctx), strings.TrimPrefix(c.Param("id"), "/"))
	if !ok {
		return problem.Because(problem.CodeNotFound, "model")
	}
	c.Header("Cache-Control", "private, max-age="+modelsAge)
	respond.JSON(c, http.StatusOK, m)
	return nil
}
