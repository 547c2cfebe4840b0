package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// letterView is a dead letter as the operator sees it. Only one that is asked for by its id has its input.
type letterView struct {
	ID          string    `json:"id"`
	Kind        job.Kind  `json:"kind"`
	Lane        job.Lane  `json:"lane,omitempty"`
	Owner       string    `json:"owner"`
	CreatedAt   *job.Time `json:"created_at,omitempty"`
	Deadline    *job.Time `json:"deadline,omitempty"`
	FailedAt    job.Time  `json:"failed_at"`
	Attempt     int       `json:"attempt"`
	MaxAttempts int       `json:"max_attempts"`
	job.Counts
	Error *job.Error `json:"error,omitempty"`
	// Detail is what the upstream said.
	Detail      string `json:"detail,omitempty"`
	RetriedFrom string `json:"retried_from,omitempty"`
	// RequestID is of the request that submitted the job.
	RequestID string `json:"request_id,omitempty"`
	// Replayable says that a new job can be made of it.
	Replayable bool      `json:"replayable"`
	Input      job.Input `json:"input,omitempty"`
}

func viewLetter(l *store.Letter, lang job.Lang) letterView {
	v := letterView{ID: l.ID, Kind: l.Kind, Owner: l.Owner, FailedAt: job.At(l.FailedAt())}
	if d := l.Dead; d != nil {
		v.Lane, v.CreatedAt, v.Deadline, v.MaxAttempts = d.Spec.Lane, &d.Spec.CreatedAt, &d.Spec.Deadline, d.Spec.MaxAttempts
		v.RetriedFrom, v.RequestID = d.Spec.RetriedFrom, d.Spec.RequestID
		v.Attempt, v.Counts, v.Error, v.Detail = d.Attempt, d.Counts, translateError(d.Error, lang), d.Detail
		v.Replayable = d.CanBeReplayed()
	}
	return v
}

// listLetters is GET /api/admin/dead-letters, the newest first.
func (s *Server) listLetters(c *gin.Context) error {
	limit, err := queryNumber(c, "limit", defaultLimit, 1, maxLimit)
	var faults []job.FieldError
	if p, ok := errors.AsType[*problem](err); ok {
		faults = p.fields
	}
	query := func(name string) string { return strings.Join(c.QueryArray(name), ",") }
	filter, faults := letterFilter("?", query, faults)
	if len(faults) > 0 {
		return invalid(faults...)
	}
	before, ok := letterCursor(c.Query("cursor"))
	if !ok {
		return &problem{code: codeInvalidCursor}
	}
	ctx, cancel := bounded(c)
	defer cancel()
	page, err := s.deps.Store.Letters(ctx, filter, before, limit)
	s.audit(ctx, c, "list dead letters", err)
	if err != nil {
		return err
	}
	answer := struct {
		Letters []letterView `json:"dead_letters"`
		Total   int          `json:"total"`
		Next    string       `json:"next_cursor,omitempty"`
	}{Letters: make([]letterView, len(page.Letters)), Total: page.Total}
	for i, l := range page.Letters {
		answer.Letters[i] = viewLetter(l, s.lang(c))
	}
	if page.Next > 0 {
		answer.Next = encodeSequences(cursorOfList, page.Next)
	}
	writeJSON(c, http.StatusOK, jsonType, answer)
	return nil
}

// letterFilter reads the fields that say which dead letters are meant. Kinds and codes are lists, separated by commas.
func letterFilter(prefix string, field func(name string) string, faults []job.FieldError) (store.LetterFilter, []job.FieldError) {
	var f store.LetterFilter
	codes := job.FailureCodes()
	slices.Sort(codes)
	f.Kinds, faults = choices(prefix+"kind", field("kind"), job.Kinds(), faults)
	f.Codes, faults = choices(prefix+"code", field("code"), codes, faults)
	if f.Owner = field("owner"); f.Owner != "" && !job.ValidToken(f.Owner) {
		faults = append(faults, job.FieldError{Pointer: prefix + "owner", Code: "invalid_value"})
	}
	if text := field("since"); text != "" {
		var err error
		if f.Since, err = time.Parse(time.RFC3339, text); err != nil {
			faults = append(faults, job.FieldError{Pointer: prefix + "since", Code: "invalid_value"})
		}
	}
	return f, faults
}

// choices reads a list of known values.
func choices[T ~string](pointer, text string, known []T, faults []job.FieldError) ([]T, []job.FieldError) {
	var list []T
	for value := range strings.SplitSeq(text, ",") {
		value = strings.TrimSpace(value)
		switch {
		case value == "" || slices.Contains(list, T(value)):
		case slices.Contains(known, T(value)):
			list = append(list, T(value))
		default:
			return nil, append(faults, job.FieldError{Pointer: pointer, Code: "unknown_value", Args: map[string]string{"known": join(known)}})
		}
	}
	return list, faults
}

// showLetter is GET /api/admin/dead-letters/:id: with what was asked for, which is the operator's business here.
func (s *Server) showLetter(c *gin.Context) error {
	letter, err := s.letter(c)
	if err != nil {
		return err
	}
	s.audit(c.Request.Context(), c, "show dead letter", nil, letterKind(letter))
	view := viewLetter(letter, s.lang(c))
	if letter.Dead != nil {
		view.Input = letter.Dead.Spec.Input
	}
	writeJSON(c, http.StatusOK, jsonType, view)
	return nil
}

// letter reads the dead letter whose id stands in the path.
func (s *Server) letter(c *gin.Context) (*store.Letter, error) {
	id, err := jobID(c)
	if err != nil {
		return nil, noLetter()
	}
	ctx, cancel := bounded(c)
	defer cancel()
	letter, err := s.deps.Store.Letter(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noLetter()
	}
	return letter, err
}

func noLetter() *problem { return &problem{code: codeNotFound, reason: "letter"} }
