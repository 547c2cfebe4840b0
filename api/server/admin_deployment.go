package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// deploymentView is a deployment as the operator sees it.
type deploymentView struct {
	Version       string   `json:"version"`
	Commit        string   `json:"commit"`
	BuildTime     string   `json:"build_time"`
	GoVersion     string   `json:"go_version"`
	Host          string   `json:"host"`
	StartedAt     job.Time `json:"started_at"`
	LastStartedAt job.Time `json:"last_started_at"`
	Starts        int      `json:"starts"`
}

// listDeployments is GET /api/admin/deployments. It lists the builds that were started on each host, latest start first.
func (h *controlHandler) listDeployments(c *gin.Context) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	list, err := h.control.Deployments(ctx)
	h.audit(ctx, c, "list deployments", err)
	if err != nil {
		return problem.Unavailable(err)
	}
	views := make([]deploymentView, len(list))
	for i, d := range list {
		views[i] = deploymentView{
			Version: d.Version, Commit: d.Commit, BuildTime: d.BuildTime, GoVersion: d.GoVersion, Host: d.Host,
			StartedAt: d.StartedAt, LastStartedAt: d.LastStartedAt, Starts: d.Starts,
		}
	}
	respond.JSON(c, http.StatusOK, map[string]any{"deployments": views})
	return nil
}
