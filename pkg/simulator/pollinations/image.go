package pollinations

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// imageByURL serves GET /image/{prompt}.
func imageByURL(x *kit.Exchange) {
	prompt, err := url.PathUnescape(x.Rest)
	if err != nil || prompt == "" {
		x.Fail(badRequest("The prompt in the path is empty or badly escaped."))
		return
	}
	if !x.Arrive(x.Query.Get("model"), prompt, "") {
		return
	}
	invalid := fieldErrors{}
	d, model := readImageQuery(x.Query, x.Request.Header, invalid)
	if len(invalid) > 0 {
		rejectFields(x, "query", invalid)
		return
	}
	d.Prompt = prompt
	if failure := d.limit(model); failure != nil {
		x.Fail(*failure)
		return
	}
	key := ImageKey(x.Request.URL.EscapedPath(), x.Query)
	if !x.Query.Has("safe") {
		key += x.Request.Header.Get("Pollinations-Safe")
	}
	if d.Seed < 0 {
		d.Seed, key = x.Server.RandomSeed(), ""
	}
	if art, origin := GenerateImage(x, key, IsTrue(x.Query.Get("no-cache")), d, model); art != nil {
		sendArtifact(x, art, origin)
	}
}

// ImageKey returns the key of an image or audio file in the cache: its path and
// sorted query, without the parameters that do not change the content.
func ImageKey(path string, query url.Values) string {
	var parts []string
	for name, values := range query {
		if name == "key" || name == "nofeed" || name == "no-cache" {
			continue
		}
		for _, value := range values {
			parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	slices.Sort(parts)
	return path + "?" + strings.Join(parts, "&")
}

// GenerateImage returns the artifact of a drawing from the cache or draws it. If
// that fails it responds, unless the client went away, and returns nil.
func GenerateImage(x *kit.Exchange, key string, fresh bool, d Drawing, model ImageModel) (*kit.Artifact, kit.Origin) {
	d.Variant = d.Options.variant()
	return x.Generate(key, fresh, x.Server.Config.Latency.Image, func(ctx context.Context) (*kit.Artifact, error) {
		media, err := x.Server.Content.Image(ctx, d.Drawing)
		if err != nil {
			return nil, err
		}
		header := map[string]string{"x-model-used": model.id, "x-usage-completion-image-tokens": strconv.Itoa(max(1, model.tokens))}
		d.Options.safetyHeader(header)
		return &kit.Artifact{Media: media, Header: header}, nil
	})
}

// sendArtifact sends media with the headers of the cache.
func sendArtifact(x *kit.Exchange, art *kit.Artifact, origin kit.Origin) {
	header := x.Header()
	x.SetHeaders(art.Header)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Disposition", `inline; filename="`+art.Filename+`"`)
	header.Set("X-Cache", origin.Verdict())
	if x.Varies(faultFirstHit) {
		header.Set("X-Cache", kit.OriginExact.Verdict())
	}
	header.Set("X-Cache-Type", string(origin))
	if x.Varies(faultRedacted) {
		header.Set("X-Safety-Applied", "privacy")
		header.Set("X-Safety-Redacted", "1")
		header.Set("X-Safety-Status", "redacted")
	}
	x.Send(http.StatusOK, art.ContentType, art.Bytes)
}

// imageByBody serves POST /v1/images/generations.
func imageByBody(x *kit.Exchange) {
	var request imageBody
	invalid := fieldErrors{}
	badJSON := decode(x.Body, &request, invalid)
	if !x.Arrive(request.Model, request.Prompt, "") {
		return
	}
	if badJSON != nil {
		x.Fail(*badJSON)
		return
	}
	query := request.query(x)
	d, model := readImageQuery(query, x.Request.Header, invalid)
	request.check(invalid)
	if len(invalid) > 0 {
		rejectFields(x, "body", invalid)
		return
	}
	d.Prompt = request.Prompt
	if failure := d.limit(model); failure != nil {
		x.Fail(*failure)
		return
	}
	path := "/image/" + url.PathEscape(d.Prompt)
	art, origin := GenerateImage(x, ImageKey(path, query), false, d, model)
	if art == nil {
		return
	}
	data := map[string]string{"revised_prompt": d.Prompt}
	if request.ResponseFormat == "b64_json" {
		data["b64_json"] = base64.StdEncoding.EncodeToString(art.Bytes)
	} else {
		data["url"] = "http://" + x.Request.Host + path + "?" + query.Encode()
	}
	x.SetHeaders(art.Header)
	x.Header().Set("X-Cache", origin.Verdict())
	x.Header().Set("X-Cache-Type", string(origin))
	input, output := chat.CountTokens(d.Prompt), max(1, model.tokens)
	x.SendJSON(http.StatusOK, map[string]any{
		"created": x.Server.Config.Now().Unix(), "data": []map[string]string{data},
		"usage": map[string]int{"input_tokens": input, "output_tokens": output, "total_tokens": input + output},
	})
}
