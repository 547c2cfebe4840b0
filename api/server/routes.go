package server

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

// read registers handlers for GET and HEAD. Responses to HEAD have the headers of GET and no body.
func read(routes gin.IRoutes, path string, h ...gin.HandlerFunc) {
	routes.GET(path, h...)
	routes.HEAD(path, h...)
}

// pageViews are the addresses of the page: each shows a view of its own.
var pageViews = []string{
	"/", "/gallery", "/gallery/:id", "/voice", "/account", "/help", "/privacy", "/terms", "/operator", "/operator/:name",
}

// routes returns the engine with every route. Any other path is 404, and any other method of a path 405.
func (h *handlers) routes() (*gin.Engine, error) {
	e, err := h.engine()
	if err != nil {
		return nil, err
	}
	e.Use(h.cors, h.requirePermission)
	handle := h.problems.Handle
	member := func(f func(*gin.Context, *session.Member) error) gin.HandlerFunc {
		return handle(h.sessions.ForMember(f))
	}
	limitBody, limitUpload := h.limitBody(bind.MaxBody), h.limitBody(maxImageBody)
	native := e.Group("", h.refuseCrossOrigin, h.checkQuery, limitBody)
	original := e.Group("", problem.OriginalShape, h.refuseCrossOrigin, limitBody)
	openAI := e.Group("/v1", h.refuseCrossOrigin, limitBody)
	account := e.Group("/api", problem.OriginalShape, problem.SuccessFalse, h.refuseCrossOrigin)

	// Jobs.
	native.POST("/api/jobs", handle(h.jobs.submitJob))
	read(native, "/api/jobs", handle(h.jobs.listJobs))
	read(native, "/api/jobs/:id", handle(h.jobs.getJob))
	read(native, "/api/jobs/:id/events", handle(h.events.jobEvents))
	read(native, "/api/jobs/:id/media/:index", handle(h.jobs.getMedia))
	native.POST("/api/jobs/:id/cancel", handle(h.jobs.cancelJob))
	native.POST("/api/jobs/:id/retry", handle(h.jobs.retryJob))
	native.DELETE("/api/jobs/:id", handle(h.jobs.deleteJob))
	e.Group("", h.refuseCrossOrigin, h.checkQuery, limitUpload).POST("/api/uploads", handle(h.uploads.addUpload))
	read(native, "/api/uploads", handle(h.uploads.listUploads))
	read(native, "/api/uploads/:id", handle(h.uploads.getUpload))
	native.DELETE("/api/uploads/:id", handle(h.uploads.deleteUpload))
	read(native, "/api/events", handle(h.events.ownerEvents))
	read(native, "/api/models", handle(h.models.listModels))
	read(native, "/api/quota", handle(h.quota.getQuota))
	read(native, "/api/usage", member(h.usage.getUsage))
	native.PUT("/api/usage/budget", member(h.usage.setBudget))

	// Batches of jobs.
	batches := e.Group("/api/batches", h.refuseCrossOrigin, h.checkQuery)
	batches.POST("", h.limitBody(maxBatchBody), handle(h.batches.submitBatch))
	read(batches, "", limitBody, handle(h.batches.listBatches))
	read(batches, "/:id", limitBody, handle(h.batches.getBatch))
	read(batches, "/:id/events", limitBody, handle(h.batches.batchEvents))
	batches.POST("/:id/cancel", limitBody, handle(h.batches.cancelBatch))
	batches.POST("/:id/retry", limitBody, handle(h.batches.retryBatch))
	read(batches, "/:id/results.zip", limitBody, handle(h.batches.getZip))

	// Webhooks of members.
	read(native, "/api/webhooks", member(h.webhooks.getEndpoint))
	native.PUT("/api/webhooks", member(h.webhooks.setEndpoint))
	read(native, "/api/webhooks/secret", member(h.webhooks.getSecret))
	native.POST("/api/webhooks/secret", member(h.webhooks.rotateSecret))
	read(native, "/api/webhooks/deliveries", member(h.webhooks.listDeliveries))
	native.POST("/api/webhooks/deliveries/:id/redeliver", member(h.webhooks.redeliver))
	native.POST("/api/webhooks/ping", member(h.webhooks.ping))

	// The synchronous routes of the original.
	original.POST("/api/generate", handle(h.original.generate))
	original.POST("/api/pollinations/image", handle(h.original.generateFromPrompt))
	original.POST("/api/prompts/optimize", handle(h.original.optimizePrompt))
	original.POST("/api/optimize", handle(h.original.optimizePrompt))
	original.POST("/api/translate", handle(h.original.translateText))

	// The routes of the OpenAI API.
	openAI.POST("/images/generations", handle(h.openAI.generateImages))
	e.Group("/v1", h.refuseCrossOrigin, limitUpload).POST("/images/edits", handle(h.openAI.editImages))
	openAI.POST("/audio/speech", handle(h.openAI.speak))
	read(openAI, "/models", handle(h.openAI.listModels))
	read(openAI, "/models/*id", handle(h.openAI.getModel))
	read(openAI, "/media/:token", handle(h.openAI.getLinkedMedia))

	// Accounts.
	auth := account.Group("/auth", limitBody)
	auth.POST("/register", handle(h.auth.register))
	auth.POST("/login", handle(h.auth.login))
	read(auth, "/validate", member(h.auth.validate))
	auth.POST("/logout", handle(h.auth.logout))
	auth.POST("/forgot-password", handle(h.auth.forgotPassword))
	auth.POST("/reset-password", handle(h.auth.resetPassword))
	auth.POST("/verify-email", handle(h.auth.verifyEmailToken))
	auth.POST("/resend-verification", member(h.auth.resendVerification))
	auth.POST("/change-password", member(h.auth.changePassword))
	auth.POST("/profile", member(h.auth.renameAccount))
	auth.POST("/delete-account", member(h.auth.deleteAccount))
	read(auth, "/providers", handle(h.google.listProviders))
	read(auth, "/google", handle(h.google.startGoogle))
	auth.POST("/google-oauth", handle(h.google.finishGoogle))
	auth.POST("/google-login", handle(h.google.loginGoogle))
	auth.POST("/google-unlink", member(h.google.unlinkGoogle))

	// API keys of members.
	native.POST("/api/keys", member(h.keys.createKey))
	read(native, "/api/keys", member(h.keys.listKeys))
	native.DELETE("/api/keys/:id", member(h.keys.revokeKey))

	// Feedback of members.
	members := account.Group("/feedback", limitBody)
	members.POST("", member(h.feedback.submitFeedback))
	read(members, "/my", member(h.feedback.myFeedback))

	// Saved images.
	account.POST("/images/save", limitUpload, member(h.images.saveImage))
	images := account.Group("/images", limitBody)
	read(images, "/daily", member(h.images.listImages))
	read(images, "/stats", member(h.images.imageStats))
	read(images, "/:id", member(h.images.getImage))
	read(images, "/download/:id", member(h.images.downloadImage))
	images.DELETE("/:id", member(h.images.deleteImage))

	// The operator's routes.
	admin := e.Group("/api/admin", h.refuseCrossOrigin, limitBody, h.operator.operatorOnly)
	read(admin, "/dead-letters", handle(h.deadLetters.list))
	read(admin, "/dead-letters/:id", handle(h.deadLetters.get))
	admin.POST("/dead-letters/:id/replay", handle(h.deadLetters.replayOne))
	admin.DELETE("/dead-letters/:id", handle(h.deadLetters.purgeOne))
	admin.POST("/dead-letters/replay", handle(h.deadLetters.replayMany))
	admin.POST("/dead-letters/purge", handle(h.deadLetters.purgeMany))
	read(admin, "/control", handle(h.control.getControl))
	admin.POST("/kinds/:kind/pause", handle(h.control.pauseKind))
	admin.POST("/kinds/:kind/resume", handle(h.control.resumeKind))
	admin.POST("/upstreams/:name/probe", handle(h.control.probeUpstream))
	read(admin, "/switches", handle(h.control.listSwitches))
	admin.POST("/switches/:name", handle(h.control.setSwitch))
	admin.DELETE("/switches/:name", handle(h.control.resetSwitch))
	read(admin, "/deployments", handle(h.control.listDeployments))
	admin.GET("/backup", handle(h.backup.downloadBackup))
	admin.POST("/keys", h.operator.noAPIKey, handle(h.adminKeys.createKey))
	read(admin, "/keys", h.operator.noAPIKey, handle(h.adminKeys.listKeys))
	admin.DELETE("/keys/:id", h.operator.noAPIKey, handle(h.adminKeys.revokeKey))
	for _, status := range feedback.Statuses() {
		admin.POST("/feedback/:id/"+string(status), handle(h.adminFeedback.markFeedback(status)))
	}
	admin.DELETE("/feedback/:id", handle(h.adminFeedback.removeFeedback))
	read(account.Group("", limitBody, h.operator.operatorsFeedbackOnly), "/admin/feedback", handle(h.adminFeedback.listFeedback))

	// Probes.
	read(native, "/livez", handle(live))
	read(native, "/readyz", handle(h.health.ready))
	read(native, healthRoute, handle(h.health.getHealth))

	// The page and the contract.
	for _, view := range pageViews {
		read(native, view, handle(h.page.home))
	}
	read(native, "/reset-password", handle(h.page.linkTarget))
	read(native, "/verify-email", handle(h.page.linkTarget))
	read(native, GooglePath, handle(h.page.linkTarget))
	read(native, "/docs", handle(h.page.docs))
	read(native, "/openapi.yaml", handle(h.page.openAPI))
	read(native, "/openapi.json", handle(h.page.openAPIJSON))
	read(native, "/assets/*path", handle(h.page.asset))
	h.google.pages = []string{"", "/", "/reset-password", GooglePath}
	if g := h.google.google; g != nil && g.Page != "" && !slices.ContainsFunc(e.Routes(), func(r gin.RouteInfo) bool { return r.Path == g.Page }) {
		read(native, g.Page, handle(h.page.linkTarget))
		h.google.pages = append(h.google.pages, g.Page)
	}
	e.NoRoute(handle(h.page.missing))
	return e, nil
}
