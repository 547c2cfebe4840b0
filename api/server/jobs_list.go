package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	defaultLimit = 20
	maxLimit     = 100
	// positionsShown is how many jobs of a page get their place in the queue, each of which costs two requests.
	positionsShown = 20
)

// listJobs is GET /api/jobs: the caller's own history, the newest first.
func (s *Server) listJobs(c *gin.Context) error {
	vary(c, "Accept-Language", "Cookie")
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	if !who.named() {
		return &problem{code: codeIdentity}
	}
	filter, err := listFilter(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	page, err := s.deps.Jobs.List(ctx, who.owner, filter)
	if err != nil {
		return err
	}
	lang := s.lang(c)
	answer := struct {
		Jobs []*job.Job `json:"jobs"`
		Next string     `json:"next_cursor,omitempty"`
	}{Jobs: make([]*job.Job, len(page.Jobs))}
	for i, snap := range page.Jobs {
		if i < positionsShown {
			answer.Jobs[i] = translate(s.deps.Feed.View(ctx, snap), lang)
		} else {
			answer.Jobs[i] = translate(s.deps.Feed.Show(snap), lang)
		}
	}
	if page.Next != nil {
		answer.Next = encodeCursor(*page.Next)
	}
	c.Header("Cache-Control", "private, no-cache")
	writeJSON(c, http.StatusOK, jsonType, answer)
	return nil
}

// listFilter reads the query of a list and gathers all its faults.
func listFilter(c *gin.Context) (jobs.Filter, error) {
	var filter jobs.Filter
	var faults []job.FieldError
	limit, err := queryNumber(c, "limit", defaultLimit, 1, maxLimit)
	if p, ok := err.(*problem); ok { //nolint:errorlint // queryNumber wraps nothing.
		faults = append(faults, p.fields...)
	}
	filter.Limit = limit
	filter.Kinds, faults = queryList(c, "kind", job.Kinds(), faults)
	filter.Statuses, faults = queryList(c, "status", job.Statuses(), faults)
	if len(faults) > 0 {
		return filter, invalid(faults...)
	}
	if cursor := c.Query("cursor"); cursor != "" {
		mark, ok := decodeCursor(cursor)
		if !ok {
			return filter, &problem{code: codeInvalidCursor}
		}
		filter.After = mark
	}
	return filter, nil
}

// queryList reads a parameter that may be repeated and may hold several values, separated by commas.
func queryList[T ~string](c *gin.Context, name string, known []T, faults []job.FieldError) ([]T, []job.FieldError) {
	var list []T
	for value := range strings.SplitSeq(strings.Join(c.QueryArray(name), ","), ",") {
		value = strings.TrimSpace(value)
		switch {
		case value == "" || slices.Contains(list, T(value)):
		case slices.Contains(known, T(value)):
			list = append(list, T(value))
		default:
			return nil, append(faults, job.FieldError{
				Pointer: "?" + name, Code: "unknown_value", Args: map[string]string{"known": join(known)},
			})
		}
	}
	return list, faults
}

// join lists values for a sentence.
func join[T ~string](values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
