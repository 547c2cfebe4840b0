package server

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

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
	original := e.Group("", speakAsOriginal, s.refuseCrossOrigin, s.limitBody)
	get := func(path string, h handler) {
		native.GET(path, s.handle(h))
		native.HEAD(path, s.handle(h))
	}

	// Jobs.
	native.POST("/api/jobs", s.handle(s.submitJob))
	get("/api/jobs", s.listJobs)
	get("/api/jobs/:id", s.getJob)
	get("/api/jobs/:id/events", s.jobEvents)
	get("/api/jobs/:id/media/:index", s.getMedia)
	native.POST("/api/jobs/:id/cancel", s.handle(s.cancelJob))
	native.POST("/api/jobs/:id/retry", s.handle(s.retryJob))
	native.DELETE("/api/jobs/:id", s.handle(s.deleteJob))
	get("/api/events", s.ownerEvents)

	// The original's routes, which wait for their job.
	original.POST("/api/generate", s.handle(s.generate))
	original.POST("/api/pollinations/image", s.handle(s.generatePicture))
	original.POST("/api/prompts/optimize", s.handle(s.optimizePrompt))
	original.POST("/api/optimize", s.handle(s.optimizePrompt))
	original.POST("/api/translate", s.handle(s.translateText))

	// Accounts.
	accounts := e.Group("/api/auth", speakAsOriginal, sayFailed, s.refuseCrossOrigin, s.limitBody)
	accounts.POST("/register", s.handle(s.register))
	accounts.POST("/login", s.handle(s.login))
	accounts.GET("/validate", s.handle(s.validate))
	accounts.HEAD("/validate", s.handle(s.validate))
	accounts.POST("/logout", s.handle(s.logout))
	accounts.POST("/forgot-password", s.handle(s.forgotPassword))
	accounts.POST("/reset-password", s.handle(s.resetPassword))
	accounts.POST("/verify-email", s.handle(s.verifyEmail))
	accounts.POST("/resend-verification", s.handle(s.resendVerification))
	accounts.POST("/change-password", s.handle(s.changePassword))
	accounts.POST("/profile", s.handle(s.renameAccount))
	accounts.POST("/delete-account", s.handle(s.deleteAccount))
	accounts.GET("/providers", s.handle(s.listProviders))
	accounts.HEAD("/providers", s.handle(s.listProviders))
	accounts.GET("/google", s.handle(s.startGoogle))
	accounts.HEAD("/google", s.handle(s.startGoogle))
	accounts.POST("/google-oauth", s.handle(s.finishGoogle))
	accounts.POST("/google-login", s.handle(s.loginGoogle))
	accounts.POST("/google-unlink", s.handle(s.unlinkGoogle))

	// Feedback of members.
	members := e.Group("/api/feedback", speakAsOriginal, sayFailed, s.refuseCrossOrigin, s.limitBody)
	members.POST("", s.handle(s.giveFeedback))
	members.GET("/my", s.handle(s.myFeedback))
	members.HEAD("/my", s.handle(s.myFeedback))

	// Saved pictures.
	images := e.Group("/api/images", speakAsOriginal, sayFailed, s.refuseCrossOrigin)
	images.POST("/save", s.limitPictureBody, s.handle(s.saveImage))
	for _, read := range []string{http.MethodGet, http.MethodHead} {
		images.Handle(read, "/daily", s.limitBody, s.handle(s.listImages))
		images.Handle(read, "/stats", s.limitBody, s.handle(s.imageStats))
		images.Handle(read, "/:id", s.limitBody, s.handle(s.getImage))
		images.Handle(read, "/download/:id", s.limitBody, s.handle(s.downloadImage))
	}
	images.DELETE("/:id", s.limitBody, s.handle(s.deleteImage))

	get("/api/models", s.listModels)
	get("/api/quota", s.getQuota)

	// The operator's routes.
	operator := e.Group("/api/admin", s.refuseCrossOrigin, s.limitBody, s.operatorOnly)
	for _, read := range []string{http.MethodGet, http.MethodHead} {
		operator.Handle(read, "/dead-letters", s.handle(s.listLetters))
		operator.Handle(read, "/dead-letters/:id", s.handle(s.showLetter))
		operator.Handle(read, "/control", s.handle(s.showControl))
		operator.Handle(read, "/switches", s.handle(s.listSwitches))
		operator.Handle(read, "/deployments", s.handle(s.listDeployments))
	}
	operator.GET("/backup", s.handle(s.downloadBackup))
	operator.POST("/dead-letters/:id/replay", s.handle(s.replayLetter))
	operator.DELETE("/dead-letters/:id", s.handle(s.purgeLetter))
	operator.POST("/dead-letters/replay", s.handle(s.replayLetters))
	operator.POST("/dead-letters/purge", s.handle(s.purgeLetters))
	operator.POST("/kinds/:kind/pause", s.handle(s.pauseKind))
	operator.POST("/kinds/:kind/resume", s.handle(s.resumeKind))
	operator.POST("/upstreams/:name/probe", s.handle(s.probeUpstream))
	operator.POST("/switches/:name", s.handle(s.setSwitch))
	operator.DELETE("/switches/:name", s.handle(s.resetSwitch))
	for _, status := range feedback.Statuses() {
		operator.POST("/feedback/:id/"+string(status), s.handle(s.markFeedback(status)))
	}
	operator.DELETE("/feedback/:id", s.handle(s.removeFeedback))
	reader := e.Group("/api/admin/feedback", speakAsOriginal, sayFailed, s.refuseCrossOrigin, s.limitBody, s.operatorsFeedbackOnly)
	reader.GET("", s.handle(s.listFeedback))
	reader.HEAD("", s.handle(s.listFeedback))

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
	e.NoRoute(s.handle(s.notFound))
	e.NoMethod(s.handle(s.methodNotAllowed))
	return e, nil
}

// notFound answers for every path without a route.
func (s *Server) notFound(c *gin.Context) error {
	return &problem{code: codeNotFound, reason: "path", extra: map[string]any{"path": c.Request.URL.Path}}
}

// methodNotAllowed answers for a path that takes other methods; Gin has named them in Allow.
func (s *Server) methodNotAllowed(c *gin.Context) error {
	method := c.Request.Method
	if !knownMethod(method) {
		method = "…"
	}
	return &problem{code: codeMethod, args: map[string]string{"method": method}}
}

func knownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return true
	}
	return false
}
