package pollinations

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	generateFromBody(x, request, true, invalid, badJSON)
}

// imageByEdit serves POST /v1/images/edits with a JSON body, whose images may be data URLs. The service also accepts a form. It caches no
// edits, and always responds with base64.
func imageByEdit(x *kit.Exchange) {
	var request struct {
		imageBody
		Image editImages `json:"image"`
	}
	invalid := fieldErrors{}
	badJSON := decode(x.Body, &request, invalid)
	if badJSON == nil && len(request.Image) == 0 {
		badJSON = new(badRequest("Missing required field: image"))
	}
	references, failure := request.Image.references()
	if badJSON == nil {
		badJSON = failure
	}
	request.imageBody.Image.text, request.ResponseFormat = strings.Join(references, "|"), "b64_json"
	generateFromBody(x, request.imageBody, false, invalid, badJSON)
}

// editImages are the URLs of the images of an edit: one, or a list of objects.
type editImages []string

// UnmarshalJSON reads either form.
func (e *editImages) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*e = editImages{one}
		return nil
	}
	var list []struct {
		URL string `json:"image_url"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for _, image := range list {
		*e = append(*e, image.URL)
	}
	return nil
}

// references returns the URLs, with one that names the content in place of each data URL, or a failure for one that is no image.
func (e editImages) references() ([]string, *kit.Failure) {
	var list []string
	for _, address := range e {
		encoded, isData := strings.CutPrefix(address, "data:image/")
		if !isData {
			list = append(list, address)
			continue
		}
		_, encoded, _ = strings.Cut(encoded, ";base64,")
		content, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || !strings.HasPrefix(http.DetectContentType(content), "image/") {
			return nil, new(failures()["unsupported_image_media_type"])
		}
		list = append(list, fmt.Sprintf("https://content.example/%x", sha256.Sum256(content)))
	}
	return list, nil
}

// generateFromBody responds with the image of a JSON body. invalid and badJSON are the errors in it so far.
func generateFromBody(x *kit.Exchange, request imageBody, cached bool, invalid fieldErrors, badJSON *kit.Failure) {
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
	key := ""
	if cached {
		key = ImageKey(path, query)
	}
	art, origin := GenerateImage(x, key, false, d, model)
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
