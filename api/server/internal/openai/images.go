package openai

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ImageRequest is the body of POST /v1/images/generations.
type ImageRequest struct {
	Prompt         string `json:"prompt"`
	Model          string `json:"model"`
	N              *int   `json:"n"`
	Size           string `json:"size"`
	Seed           *int64 `json:"seed"`
	Quality        string `json:"quality"`
	Background     string `json:"background"`
	OutputFormat   string `json:"output_format"`
	ResponseFormat string `json:"response_format"`
	Stream         bool   `json:"stream"`
	PartialImages  *int   `json:"partial_images"`
}

// The values of response_format. Without one a response has both.
const (
	FormatURL    = "url"
	FormatBase64 = "b64_json"
)

const (
	auto        = "auto"
	transparent = "transparent"
	// maxPartialImages is the largest partial_images of the OpenAI API.
	maxPartialImages = 3
)

// qualities are the qualities of a job by those of the OpenAI API, of which auto is the default.
var qualities = map[string]string{"": "", auto: "", "low": "low", "medium": "medium", "high": "high", "hd": "hd", "standard": "medium"}

// size matches the size of an image.
var size = regexp.MustCompile(`^([0-9]{1,6})[xX]([0-9]{1,6})$`)

// Input returns the input of the job for a request, whose faults it adds to b, under the names of the request. It normalizes the
// spelling of the formats.
func (r *ImageRequest) Input(b *bind.Binder) *job.ImageInput {
	in := &job.ImageInput{Prompt: r.Prompt, Model: r.Model, N: r.N, Seed: r.Seed}
	if r.Size != "" && !strings.EqualFold(r.Size, auto) {
		if match := size.FindStringSubmatch(r.Size); match != nil {
			width, _ := strconv.Atoi(match[1])
			height, _ := strconv.Atoi(match[2])
			in.Width, in.Height = &width, &height
		} else {
			b.Add("/size", "invalid_size")
		}
	}
	quality, known := qualities[strings.ToLower(r.Quality)]
	if !known {
		b.Add("/quality", "unknown_value", "known", "auto, low, medium, high, standard, hd")
	}
	in.Quality = quality
	in.Transparent = choose(b, "/background", r.Background, auto, "opaque", transparent) == transparent
	r.OutputFormat = choose(b, "/output_format", r.OutputFormat, "png", "jpeg", "webp")
	if r.OutputFormat == "jpeg" && in.Transparent {
		b.Add("/background", "not_with", "other", "output_format jpeg")
	}
	r.ResponseFormat = choose(b, "/response_format", r.ResponseFormat, FormatURL, FormatBase64)
	if p := r.PartialImages; p != nil && (*p < 0 || *p > maxPartialImages) {
		b.Faults = append(b.Faults, bind.OutOfRange("/partial_images", 0, maxPartialImages))
	}
	return in
}

// choose returns a value in lower case. It adds a fault if the value is neither empty nor one of known.
func choose(b *bind.Binder, pointer, value string, known ...string) string {
	value = strings.ToLower(value)
	if value != "" {
		for _, k := range known {
			if value == k {
				return value
			}
		}
		b.Add(pointer, "unknown_value", "known", strings.Join(known, ", "))
	}
	return ""
}

// imageFields are the names of the fields of an image request by those of the input.
var imageFields = map[string]string{"/width": "/size", "/height": "/size", "/transparent": "/background", "/reference_images": "/image"}

// ImageFaults returns the faults of the input of a request under the names of the request, each name once.
func ImageFaults(faults []job.FieldError) []job.FieldError { return rename(faults, imageFields) }

func rename(faults []job.FieldError, names map[string]string) []job.FieldError {
	var renamed []job.FieldError
	for _, f := range faults {
		// Of an element of a list, the list is named.
		first, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/")
		if name, ok := names["/"+first]; ok {
			f.Pointer = name
		}
		if !bind.Has(renamed, f.Pointer) {
			renamed = append(renamed, f)
		}
	}
	return renamed
}

// Images is the response with the images of a job.
type Images struct {
	Created      int64   `json:"created"`
	Background   string  `json:"background,omitempty"`
	Data         []Image `json:"data"`
	OutputFormat string  `json:"output_format,omitempty"`
	Quality      string  `json:"quality,omitempty"`
	Size         string  `json:"size,omitempty"`
}

// Image is one image of a response.
type Image struct {
	B64JSON string `json:"b64_json,omitempty"`
	URL     string `json:"url,omitempty"`
	// Seed generates the same image again. It is not part of the OpenAI API.
	Seed *int64 `json:"seed,omitempty"`
}

// NewImages returns the response for a job, without images.
func NewImages(spec *job.Spec) *Images {
	v := &Images{Created: spec.CreatedAt.Unix(), Background: "opaque", Data: []Image{}}
	if in, ok := spec.Input.(*job.ImageInput); ok {
		if in.Transparent {
			v.Background = transparent
		}
		v.Quality = in.Quality
		if v.Quality == "hd" {
			v.Quality = "high"
		}
		v.Size = sizeOf(in.Size())
	}
	return v
}

// Add adds an image with its properties, which are those of all images of a job.
func (v *Images) Add(image Image, m job.Media) {
	v.Data = append(v.Data, image)
	v.OutputFormat = OutputFormat(m)
	if m.Width > 0 && m.Height > 0 {
		v.Size = sizeOf(m.Width, m.Height)
	}
}

func sizeOf(width, height int) string { return fmt.Sprintf("%dx%d", width, height) }

// OutputFormat returns the format of an image, such as jpeg.
func OutputFormat(m job.Media) string { return strings.TrimPrefix(m.ContentType, "image/") }

// ImageCompleted is the event image_generation.completed, one for each image of a stream.
type ImageCompleted struct {
	Type         string     `json:"type"`
	B64JSON      string     `json:"b64_json"`
	Background   string     `json:"background"`
	CreatedAt    int64      `json:"created_at"`
	OutputFormat string     `json:"output_format"`
	Quality      string     `json:"quality"`
	Size         string     `json:"size"`
	Usage        ImageUsage `json:"usage"`
}

// ImageUsage is required in events. Nothing is counted in tokens here, so it is always zero.
type ImageUsage struct {
	InputTokens        int `json:"input_tokens"`
	InputTokensDetails struct {
		ImageTokens int `json:"image_tokens"`
		TextTokens  int `json:"text_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens int `json:"output_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// NewImageCompleted returns the event of one image of a job. name is its type.
func NewImageCompleted(name string, spec *job.Spec, m job.Media, data []byte) ImageCompleted {
	v := NewImages(spec)
	v.Add(Image{}, m)
	e := ImageCompleted{
		Type: name, B64JSON: base64.StdEncoding.EncodeToString(data), Background: v.Background, CreatedAt: v.Created,
		OutputFormat: v.OutputFormat, Quality: v.Quality, Size: v.Size,
	}
	if e.Quality == "" {
		e.Quality = auto
	}
	return e
}
