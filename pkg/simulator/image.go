package simulator

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// imageByURL serves GET /image/{prompt}.
func (x *exchange) imageByURL() {
	prompt, err := url.PathUnescape(x.rest)
	if err != nil || prompt == "" {
		x.refuse(failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "The prompt in the path is empty or badly escaped."})
		return
	}
	if !x.arrive(x.query.Get("model"), prompt, "") {
		return
	}
	d, model, faults := readImageQuery(x.query, x.r.Header)
	if len(faults) > 0 {
		x.refuseFields("query", faults)
		return
	}
	d.Prompt = prompt
	if refusal := d.limit(model); refusal != nil {
		x.refuse(*refusal)
		return
	}
	key := imageKey(x.r.URL.EscapedPath(), x.query)
	if !x.query.Has("safe") {
		key += x.r.Header.Get("Pollinations-Safe")
	}
	if d.Seed < 0 {
		d.Seed, key = x.s.dice.seed(), ""
	}
	art, from, err := x.picture(key, isTrue(x.query.Get("no-cache")), d, model)
	if err != nil {
		x.failedGeneration(err)
		return
	}
	x.sendArtifact(art, from)
}

// imageKey names a picture in the cache: its path and sorted query, without
// what does not change the picture.
func imageKey(path string, query url.Values) string {
	var parts []string
	for name, values := range query {
		if name == "key" || name == "nofeed" || name == "no-cache" {
			continue
		}
		for _, value := range values {
			parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	sort.Strings(parts)
	return path + "?" + strings.Join(parts, "&")
}

// picture gets the artifact of a drawing through the cache.
func (x *exchange) picture(key string, fresh bool, d drawing, model imageModel) (*artifact, origin, error) {
	rule := x.rule
	d.Variant = d.options.mark()
	art, from, err := x.s.cache.fetch(x.r.Context(), key, fresh, func(ctx context.Context) (*artifact, error) {
		leave, err := x.turn(ctx)
		if err != nil {
			return nil, fmt.Errorf("wait for a turn: %w", err)
		}
		defer leave()
		if err := rule.wait(ctx); err != nil {
			return nil, fmt.Errorf("wait by rule: %w", err)
		}
		if err := pause(ctx, x.s.dice.draw(x.s.config.Latency.Image)); err != nil {
			return nil, fmt.Errorf("wait for latency: %w", err)
		}
		media, err := x.s.content.Image(ctx, d.Drawing)
		if err != nil {
			return nil, err
		}
		x.s.made[KindImage.index()].Add(1)
		art := &artifact{Media: media}
		art.header = map[string]string{"x-model-used": model.id, "x-usage-completion-image-tokens": strconv.Itoa(max(1, model.tokens))}
		d.options.safetyHeader(art.header)
		return art, nil
	})
	if err == nil {
		x.note(func(c *Call) { c.Cache = string(from) })
	}
	return art, from, err
}

// failedGeneration answers a generation that came to nothing: only the stop
// of the simulator, or of the client, brings that about.
func (x *exchange) failedGeneration(err error) {
	if x.r.Context().Err() != nil || x.refuseTurn(err) {
		return
	}
	x.s.log.DebugContext(x.r.Context(), "simulated generation failed", "error", err)
	x.w.Header().Set("X-Cache", "MISS")
	x.w.Header().Set("X-Cache-Type", "COALESCED-ERROR")
	x.refuse(failure{status: http.StatusServiceUnavailable, code: "SERVICE_UNAVAILABLE", message: "The service is shutting down."})
}

// sendArtifact writes media with the headers of the gateway's cache.
func (x *exchange) sendArtifact(art *artifact, from origin) {
	header := x.w.Header()
	for name, value := range art.header {
		header.Set(name, value)
	}
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Disposition", `inline; filename="`+art.Filename+`"`)
	header.Set("X-Cache", from.verdict())
	if x.behaves(faultFirstHit) {
		header.Set("X-Cache", originExact.verdict())
	}
	header.Set("X-Cache-Type", string(from))
	if x.behaves(faultModeratedLate) {
		header.Set("X-Safety-Applied", "privacy")
		header.Set("X-Safety-Redacted", "1")
		header.Set("X-Safety-Status", "redacted")
	}
	x.send(http.StatusOK, art.ContentType, art.Bytes)
}

// imageAnswer is the answer of POST /v1/images/generations.
type imageAnswer struct {
	Created int64       `json:"created"`
	Data    []imageData `json:"data"`
	Usage   *imageUsage `json:"usage,omitempty"`
}

type imageData struct {
	URL           string `json:"url,omitempty"`
	Base64        string `json:"b64_json,omitempty"`
	RevisedPrompt string `json:"revised_prompt"`
}

type imageUsage struct {
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// imageByBody serves POST /v1/images/generations.
func (x *exchange) imageByBody() {
	request, faults, badJSON := readImageBody(x.body, x.r.Header)
	if !x.arrive(request.Model, request.Prompt, "") {
		return
	}
	if badJSON != nil {
		x.refuse(*badJSON)
		return
	}
	if len(faults) > 0 {
		x.refuseFields("body", faults)
		return
	}
	d, model := request.drawing()
	if refusal := d.limit(model); refusal != nil {
		x.refuse(*refusal)
		return
	}
	query := url.Values{"model": {request.Model}, "width": {strconv.Itoa(d.Width)}, "height": {strconv.Itoa(d.Height)}}
	if request.Seed == nil || *request.Seed < 0 {
		d.Seed = x.s.dice.seed()
	}
	query.Set("seed", strconv.FormatInt(d.Seed, 10))
	if d.Transparent {
		query.Set("transparent", "true")
	}
	d.options.query(query)
	if request.Model == "" {
		query.Del("model")
	}
	path := "/image/" + url.PathEscape(d.Prompt)
	art, from, err := x.picture(imageKey(path, query), false, d, model)
	if err != nil {
		x.failedGeneration(err)
		return
	}
	data := imageData{RevisedPrompt: d.Prompt}
	if request.ResponseFormat == "b64_json" {
		data.Base64 = base64.StdEncoding.EncodeToString(art.Bytes)
	} else {
		data.URL = "http://" + x.r.Host + path + "?" + query.Encode()
	}
	for name, value := range art.header {
		x.w.Header().Set(name, value)
	}
	x.w.Header().Set("X-Cache", from.verdict())
	x.w.Header().Set("X-Cache-Type", string(from))
	asked, made := countTokens(d.Prompt), max(1, model.tokens)
	x.sendJSON(http.StatusOK, imageAnswer{
		Created: x.s.config.Now().Unix(), Data: []imageData{data},
		Usage: &imageUsage{InputTokens: asked, OutputTokens: made, TotalTokens: asked + made},
	})
}
