package server

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	defaultLimit = 20
	maxLimit     = 100
	// maxSearch is the maximum length of a text to search for, in characters.
	maxSearch = 200
	// positionsShown is how many jobs of a page include their queue position, which costs two requests to NATS each.
	positionsShown = 20
)

// listJobs is GET /api/jobs. It lists the jobs of the caller, newest first.
func (h *jobHandler) listJobs(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := namedCaller(c, h.sessions)
	if err != nil {
		return err
	}
	filter, err := listFilter(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owners, err := h.sessions.Works(ctx, caller)
	if err != nil {
		return err
	}
	page, err := h.jobs.List(ctx, owners, filter)
	if err != nil {
		return err
	}
	lang := problem.Lang(c)
	reply := struct {
		Jobs []*jobview.Job `json:"jobs"`
		Next string         `json:"next_cursor,omitempty"`
	}{Jobs: make([]*jobview.Job, len(page.Jobs))}
	for i, snap := range page.Jobs {
		if i < positionsShown {
			reply.Jobs[i] = problem.Translate(h.feed.View(ctx, snap), lang)
		} else {
			reply.Jobs[i] = problem.Translate(h.feed.Show(snap), lang)
		}
	}
	if page.Next != nil {
		reply.Next = encodePosition(*page.Next)
	}
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// listFilter returns the filter in the query, or a problem with all errors.
func listFilter(c *gin.Context) (jobs.Filter, error) {
	var filter jobs.Filter
	var b bind.Binder
	filter.Limit = b.Number(c, "limit", defaultLimit, 1, maxLimit)
	filter.Kinds = bind.List(&b, c, "kind", job.Kinds())
	filter.Statuses = append(bind.List(&b, c, "status", job.Statuses()), bind.List(&b, c, "state", job.Statuses())...)
	if filter.Text = strings.TrimSpace(c.Query("q")); utf8.RuneCountInString(filter.Text) > maxSearch {
		b.AddMissing(bind.TooLong("?q", maxSearch))
	}
	filter.Tags = c.QueryArray("tag")
	if len(filter.Tags) > job.MaxTags {
		b.Add("?tag", "too_many_items", "max", strconv.Itoa(job.MaxTags))
	}
	filter.CreatedAfter = b.Time("?created_after", c.Query("created_after"))
	filter.CreatedBefore = b.Time("?created_before", c.Query("created_before"))
	if err := b.Err(); err != nil {
		return filter, err
	}
	if text := c.Query("cursor"); text != "" {
		after, ok := decodePosition(text)
		if !ok {
			return filter, problem.New(problem.CodeInvalidCursor)
		}
		filter.After = after
	}
	return filter, nil
}
