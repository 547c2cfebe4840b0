package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// deploymentView is an entry of the change record as the operator sees it.
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

// listDeployments is GET /api/admin/deployments: which builds were started where, the latest start first.
func (s *Server) listDeployments(c *gin.Context) error {
	ctx, cancel := bounded(c)
	defer cancel()
	list, err := s.deps.Control.Deployments(ctx)
	s.audit(ctx, c, "list deployments", err)
	if err != nil {
		return &problem{code: codeUnavailable, retryAfter: retryUnavailable, cause: err}
	}
	views := make([]deploymentView, len(list))
	for i, d := range list {
		views[i] = deploymentView{
			Version: d.Version, Commit: d.Commit, BuildTime: d.BuildTime, GoVersion: d.GoVersion, Host: d.Host,
			StartedAt: d.StartedAt, LastStartedAt: d.LastStartedAt, Starts: d.Starts,
		}
	}
	writeJSON(c, http.StatusOK, jsonType, map[string]any{"deployments": views})
	return nil
}
