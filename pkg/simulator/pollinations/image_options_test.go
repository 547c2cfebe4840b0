package pollinations_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestOptionsChangeTheImage uses two simulators, so that no cache is involved: every
// option changes the image, every spelling of it gives the same image.
func TestOptionsChangeTheImage(t *testing.T) {
	t.Parallel()
	one, two := simulatortest.Start(t), simulatortest.Start(t)
	const base = "/image/a%20boat?width=96&height=64&model=klein"
	link := url.QueryEscape
	expected := map[string]string{}
	for _, spellings := range [][]string{
		{"", "&safe=false", "&safe=", "&image=", "&reasoning="},
		{"&safe=true", "&safe=TRUE", "&safe=true,false"},
		{"&safe=privacy,nsfw", "&safe=nsfw%2C+privacy", "&safe=privacy,privacy,nsfw"},
		{"&image=" + link("https://a.example/x"), "&image=" + link("https://a.example/x|"), "&image=" + link(" https://a.example/x ,")},
		{"&image=" + link("https://a.example/x|https://b.example/y"), "&image=" + link("https://a.example/x,https://b.example/y")},
		{"&image=" + link("https://b.example/y|https://a.example/x")},
		{"&guidance_scale=7.5", "&guidance_scale=7.50", "&guidance_scale=75e-1"},
		{"&guidance_scale=0"},
		{"&reasoning=fast"},
		{"&reasoning=pro"},
	} {
		first := wiretest.Get(t, one.URL()+base+spellings[0])
		wiretest.DecodeImage(t, first.Body, "jpeg", 96, 64)
		if other, ok := expected[string(first.Body)]; ok {
			t.Errorf("%q and %q give the same image", spellings[0], other)
		}
		expected[string(first.Body)] = spellings[0]
		for _, again := range spellings {
			if !bytes.Equal(wiretest.Get(t, two.URL()+base+again).Body, first.Body) {
				t.Errorf("%q and %q give different images", spellings[0], again)
			}
		}
	}
}

func TestSafeByHeader(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/image/a%20boat?width=64&height=64"
	plain := wiretest.Get(t, s.URL()+path)
	guarded := wiretest.Get(t, s.URL()+path, "Pollinations-Safe", "nsfw,privacy")
	named := wiretest.Get(t, s.URL()+path+"&safe=privacy,nsfw")
	if bytes.Equal(plain.Body, guarded.Body) || !bytes.Equal(guarded.Body, named.Body) {
		t.Error("the header differs from the parameter")
	}
	for name, want := range map[string][2]string{"X-Safety-Applied": {"", "nsfw,privacy"}, "X-Safety-Status": {"", "passed"}} {
		if got := [2]string{plain.Header.Get(name), guarded.Header.Get(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := wiretest.Get(t, s.URL()+path, "Pollinations-Safe", "maybe"); a.Status != http.StatusBadRequest {
		t.Errorf("an invalid header: status %d", a.Status)
	}
}

// TestReferencesAreChecked sends reference images that are invalid without being
// fetched, by path and by body.
func TestReferencesAreChecked(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	eleven := strings.Repeat("https://a.example/x|", 11)
	for _, test := range []struct {
		model, image string
		code         string
		status       int
	}{
		{"klein", "https://a.example/x", "", 200},
		{"klein", strings.TrimSuffix(strings.Repeat("https://a.example/x|", 10), "|"), "", 200},
		{"klein", eleven, "BAD_REQUEST", 400},
		{"kontext", "https://a.example/x,https://b.example/y", "BAD_REQUEST", 400},
		{"klein", "a.example/x", "invalid_image_url", 400},
		{"klein", "ftp://a.example/x", "invalid_image_url", 400},
		{"klein", "https:///x", "invalid_image_url", 400},
		{"klein", "https://a.example:port/x", "invalid_image_url", 400},
		{"klein", "https://a.example/x|nonsense", "invalid_image_url", 400},
		{"klein", "https://pictures.INVALID/x", "failed_to_download_image", 400},
		{"flux", "nonsense", "", 200}, // It ignores reference images.
	} {
		body := fmt.Sprintf(`{"prompt":"x","model":%q,"size":"64x64","image":%q}`, test.model, test.image)
		list := fmt.Sprintf(`{"prompt":"x","model":%q,"size":"64x64","image":["%s"]}`, test.model, strings.ReplaceAll(test.image, "|", `","`))
		for way, a := range map[string]wiretest.Response{
			"by path": wiretest.Get(t, s.URL()+"/image/x?width=64&height=64&model="+test.model+"&image="+url.QueryEscape(test.image)),
			"by body": wiretest.Post(t, s.URL()+"/v1/images/generations", body),
			"by list": wiretest.Post(t, s.URL()+"/v1/images/generations", list),
		} {
			if a.Status != test.status {
				t.Errorf("%s with %s, %s: status %d, want %d", test.model, test.image, way, a.Status, test.status)
				continue
			}
			if test.code != "" {
				if got := wiretest.At(t, a.Fields(t), "error", "code"); got != test.code {
					t.Errorf("%s with %s, %s: code %v, want %s", test.model, test.image, way, got, test.code)
				}
			}
		}
	}
}

// TestScriptedReferenceFailures scripts each failure by the prompt.
func TestScriptedReferenceFailures(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, code := range []string{"failed_to_download_image", "invalid_image_url", "image_too_large", "unsupported_image_media_type"} {
		simulatortest.Script(t, s, simulator.Rule{Contains: code, Fault: code})
	}
	for _, code := range []string{"failed_to_download_image", "invalid_image_url", "image_too_large", "unsupported_image_media_type"} {
		a := wiretest.Get(t, s.URL()+"/image/"+code+"?width=64&height=64&model=klein&image="+url.QueryEscape("https://a.example/x"))
		if a.Status != http.StatusBadRequest || wiretest.At(t, a.Fields(t), "error", "code") != code {
			t.Errorf("%s: status %d: %s", code, a.Status, a.Body)
		}
	}
}

func TestOptionsByBody(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.URL() + "/v1/images/generations"
	made := wiretest.Post(t, target, `{"prompt":"a link","size":"64x64","model":"klein","seed":3,"safe":true,"guidance_scale":7.5,"reasoning":"pro","image":"https://a.example/x"}`)
	link := wiretest.Get(t, wiretest.At(t, made.Fields(t), "data", 0, "url").(string))
	if link.Header.Get("X-Cache") != "HIT" || made.Header.Get("X-Safety-Applied") != "true" {
		t.Errorf("the link: %s, X-Safety-Applied %q", link.Header.Get("X-Cache"), made.Header.Get("X-Safety-Applied"))
	}
	for body, field := range map[string]string{
		`{"prompt":"x","safe":"maybe"}`:          "safe",
		`{"prompt":"x","safe":1}`:                "safe",
		`{"prompt":"x","guidance_scale":"much"}`: "guidance_scale",
		`{"prompt":"x","guidance_scale":true}`:   "guidance_scale",
		`{"prompt":"x","reasoning":"deep"}`:      "reasoning",
	} {
		a := wiretest.Post(t, target, body)
		if a.Status != http.StatusBadRequest || wiretest.At(t, a.Fields(t), "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%s: status %d: %s", body, a.Status, a.Body)
		}
	}
	for _, body := range []string{`{"prompt":"x","safe":false,"size":"64x64"}`, `{"prompt":"x","safe":null,"image":null,"guidance_scale":"3","size":"64x64"}`} {
		if a := wiretest.Post(t, target, body); a.Status != http.StatusOK {
			t.Errorf("%s: status %d: %s", body, a.Status, a.Body)
		}
	}
}
