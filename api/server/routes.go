package server

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

// routes returns the engine with every route there is. What is not listed here is not found, and what is listed answers
// no other method.
func (s *Server) routes() (*gin.Engine, error) {
	e, err := s.bare()
	if err != nil {
		return nil, err
	}
	e.Use(s.cors)
	native := e.Group("", s.refuseCrossOrigin, s.checkQuery, s.limitBody)
	original := e.Group("", problem.OriginalShape, s.refuseCrossOrigin, s.limitBody)
	get := func(path string, h problem.Handler) {
		native.GET(path, s.problems.Handle(h))
		native.HEAD(path, s.problems.Handle(h))
	}

	// Jobs.
	native.POST("/api/jobs", s.problems.Handle(s.submitJob))
	get("/api/jobs", s.listJobs)
	get("/api/jobs/:id", s.getJob)
	get("/api/jobs/:id/events", s.jobEvents)
	get("/api/jobs/:id/media/:index", s.getMedia)
	native.POST("/api/jobs/:id/cancel", s.problems.Handle(s.cancelJob))
	native.POST("/api/jobs/:id/retry", s.problems.Handle(s.retryJob))
	native.DELETE("/api/jobs/:id", s.problems.Handle(s.deleteJob))
	get("/api/events", s.ownerEvents)

	// The original's routes, which wait for their job.
	original.POST("/api/generate", s.problems.Handle(s.generate))
	original.POST("/api/pollinations/image", s.problems.Handle(s.generatePicture))
	original.POST("/api/prompts/optimize", s.problems.Handle(s.optimizePrompt))
	original.POST("/api/optimize", s.problems.Handle(s.optimizePrompt))
	original.POST("/api/translate", s.problems.Handle(s.translateText))

	// Accounts.
	accounts := e.Group("/api/auth", problem.OriginalShape, problem.SuccessFalse, s.refuseCrossOrigin, s.limitBody)
	accounts.POST("/register", s.problems.Handle(s.register))
	accounts.POST("/login", s.problems.Handle(s.login))
	accounts.GET("/validate", s.problems.Handle(s.validate))
	accounts.HEAD("/validate", s.problems.Handle(s.validate))
	accounts.POST("/logout", s.problems.Handle(s.logout))
	accounts.POST("/forgot-password", s.problems.Handle(s.forgotPassword))
	accounts.POST("/reset-password", s.problems.Handle(s.resetPassword))
	accounts.POST("/verify-email", s.problems.Handle(s.verifyEmail))
	accounts.POST("/resend-verification", s.problems.Handle(s.resendVerification))
	accounts.POST("/change-password", s.problems.Handle(s.changePassword))
	accounts.POST("/profile", s.problems.Handle(s.renameAccount))
	accounts.POST("/delete-account", s.problems.Handle(s.deleteAccount))
	accounts.GET("/providers", s.problems.Handle(s.listProviders))
	accounts.HEAD("/providers", s.problems.Handle(s.listProviders))
	accounts.GET("/google", s.problems.Handle(s.startGoogle))
	accounts.HEAD("/google", s.problems.Handle(s.startGoogle))
	accounts.POST("/google-oauth", s.problems.Handle(s.finishGoogle))
	accounts.POST("/google-login", s.problems.Handle(s.loginGoogle))
	accounts.POST("/google-unlink", s.problems.Handle(s.unlinkGoogle))

	// Feedback of members.
	members := e.Group("/api/feedback", problem.OriginalShape, problem.SuccessFalse, s.refuseCrossOrigin, s.limitBody)
	members.POST("", s.problems.Handle(s.giveFeedback))
	members.GET("/my", s.problems.Handle(s.myFeedback))
	members.HEAD("/my", s.problems.Handle(s.myFeedback))

	// Saved pictures.
	images := e.Group("/api/images", problem.OriginalShape, problem.SuccessFalse, s.refuseCrossOrigin)
	images.POST("/save", s.limitPictureBody, s.problems.Handle(s.saveImage))
	for _, read := range []string{http.MethodGet, http.MethodHead} {
		images.Handle(read, "/daily", s.limitBody, s.problems.Handle(s.listImages))
		images.Handle(read, "/stats", s.limitBody, s.problems.Handle(s.imageStats))
		images.Handle(read, "/:id", s.limitBody, s.problems.Handle(s.getImage))
		images.Handle(read, "/download/:id", s.limitBody, s.problems.Handle(s.downloadImage))
	}
	images.DELETE("/:id", s.limitBody, s.problems.Handle(s.deleteImage))

	get("/api/models", s.listModels)
	get("/api/quota", s.getQuota)

	// The operator's routes.
	operator := e.Group("/api/admin", s.refuseCrossOrigin, s.limitBody, s.operatorOnly)
	for _, read := range []string{http.MethodGet, http.MethodHead} {
		operator.Handle(read, "/dead-letters", s.problems.Handle(s.listLetters))
		operator.Handle(read, "/dead-letters/:id", s.problems.Handle(s.showLetter))
		operator.Handle(read, "/control", s.problems.Handle(s.showControl))
		operator.Handle(read, "/switches", s.problems.Handle(s.listSwitches))
		operator.Handle(read, "/deployments", s.problems.Handle(s.listDeployments))
	}
	operator.GET("/backup", s.problems.Handle(s.downloadBackup))
	operator.POST("/dead-letters/:id/replay", s.problems.Handle(s.replayLetter))
	operator.DELETE("/dead-letters/:id", s.problems.Handle(s.purgeLetter))
	operator.POST("/dead-letters/replay", s.problems.Handle(s.replayLetters))
	operator.POST("/dead-letters/purge", s.problems.Handle(s.purgeLetters))
	operator.POST("/kinds/:kind/pause", s.problems.Handle(s.pauseKind))
	operator.POST("/kinds/:kind/resume", s.problems.Handle(s.resumeKind))
	operator.POST("/upstreams/:name/probe", s.problems.Handle(s.probeUpstream))
	operator.POST("/switches/:name", s.problems.Handle(s.setSwitch))
	operator.DELETE("/switches/:name", s.problems.Handle(s.resetSwitch))
	for _, status := range feedback.Statuses() {
		operator.POST("/feedback/:id/"+string(status), s.problems.Handle(s.markFeedback(status)))
	}
	operator.DELETE("/feedback/:id", s.problems.Handle(s.removeFeedback))
	reader := e.Group("/api/admin/feedback", problem.OriginalShape, problem.SuccessFalse, s.refuseCrossOrigin, s.limitBody, s.operatorsFeedbackOnly)
	reader.GET("", s.problems.Handle(s.listFeedback))
	reader.HEAD("", s.problems.Handle(s.listFeedback))

	// Probes.
	get("/livez", s.live)
	get("/readyz", s.ready)
	get(healthRoute, s.getHealth)

	// The page and the contract.
	get("/", s.home)
	get("/reset-password", s.resetPage)
	get("/verify-email", s.verifyPage)
	get(GooglePath, s.googlePage)
	get("/docs", s.docs)
	get("/openapi.yaml", s.openAPI)
	get("/assets/*path", s.asset)

	s.pages = []string{"", "/", "/reset-password", GooglePath}
	if g := s.deps.Google; g != nil && g.Page != "" && !slices.ContainsFunc(e.Routes(), func(r gin.RouteInfo) bool { return r.Path == g.Page }) {
		get(g.Page, s.googlePage)
		s.pages = append(s.pages, g.Page)
	}
	e.NoRoute(s.problems.Handle(s.notFound))
	e.NoMethod(s.problems.Handle(s.methodNotAllowed))
	return e, nil
}

// notFound answers for every path without a route.
func (s *Server) notFound(c *gin.Context) error {
	return &problem.Problem{Code: problem.CodeNotFound, Reason: "path", Extra: map[string]any{"path": c.Request.URL.Path}}
}

// methodNotAllowed answers for a path that takes other methods; Gin has named them in Allow.
func (s *Server) methodNotAllowed(c *gin.Context) error {
	method := c.Request.Method
	if !knownMethod(method) {
		method = "…"
	}
	return &problem.Problem{Code: problem.CodeMethod, Args: map[string]string{"method": method}}
}

func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return true
	}
	return false
}
