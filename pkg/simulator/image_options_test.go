package simulator_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
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
		first := get(t, one.URL()+base+spellings[0])
		decode(t, first.body, "jpeg", 96, 64)
		if other, ok := expected[string(first.body)]; ok {
			t.Errorf("%q and %q give the same image", spellings[0], other)
		}
		expected[string(first.body)] = spellings[0]
		for _, again := range spellings {
			if !bytes.Equal(get(t, two.URL()+base+again).body, first.body) {
				t.Errorf("%q and %q give different images", spellings[0], again)
			}
		}
	}
}

func TestSafeByHeader(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const path = "/image/a%20boat?width=64&height=64"
	plain := get(t, s.URL()+path)
	guarded := get(t, s.URL()+path, "Pollinations-Safe", "nsfw,privacy")
	named := get(t, s.URL()+path+"&safe=privacy,nsfw")
	if bytes.Equal(plain.body, guarded.body) || !bytes.Equal(guarded.body, named.body) {
		t.Error("the header differs from the parameter")
	}
	for name, want := range map[string][2]string{"X-Safety-Applied": {"", "nsfw,privacy"}, "X-Safety-Status": {"", "passed"}} {
		if got := [2]string{plain.header.Get(name), guarded.header.Get(name)}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := get(t, s.URL()+path, "Pollinations-Safe", "maybe"); a.status != http.StatusBadRequest {
		t.Errorf("an invalid header: status %d", a.status)
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
		for way, a := range map[string]response{
			"by path": get(t, s.URL()+"/image/x?width=64&height=64&model="+test.model+"&image="+url.QueryEscape(test.image)),
			"by body": post(t, s.URL()+"/v1/images/generations", body),
			"by list": post(t, s.URL()+"/v1/images/generations", list),
		} {
			if a.status != test.status {
				t.Errorf("%s with %s, %s: status %d, want %d", test.model, test.image, way, a.status, test.status)
				continue
			}
			if test.code != "" {
				if got := at(t, a.fields(t), "error", "code"); got != test.code {
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
		a := get(t, s.URL()+"/image/"+code+"?width=64&height=64&model=klein&image="+url.QueryEscape("https://a.example/x"))
		if a.status != http.StatusBadRequest || at(t, a.fields(t), "error", "code") != code {
			t.Errorf("%s: status %d: %s", code, a.status, a.body)
		}
	}
}

func TestOptionsByBody(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	target := s.URL() + "/v1/images/generations"
	made := post(t, target, `{"prompt":"a link","size":"64x64","model":"klein","seed":3,"safe":true,"guidance_scale":7.5,"reasoning":"pro","image":"https://a.example/x"}`)
	link := get(t, at(t, made.fields(t), "data", 0, "url").(string))
	if link.header.Get("X-Cache") != "HIT" || made.header.Get("X-Safety-Applied") != "true" {
		t.Errorf("the link: %s, X-Safety-Applied %q", link.header.Get("X-Cache"), made.header.Get("X-Safety-Applied"))
	}
	for body, field := range map[string]string{
		`{"prompt":"x","safe":"maybe"}`:          "safe",
		`{"prompt":"x","safe":1}`:                "safe",
		`{"prompt":"x","guidance_scale":"much"}`: "guidance_scale",
		`{"prompt":"x","guidance_scale":true}`:   "guidance_scale",
		`{"prompt":"x","reasoning":"deep"}`:      "reasoning",
	} {
		a := post(t, target, body)
		if a.status != http.StatusBadRequest || at(t, a.fields(t), "error", "details", "fieldErrors", field) == nil {
			t.Errorf("%s: status %d: %s", body, a.status, a.body)
		}
	}
	for _, body := range []string{`{"prompt":"x","safe":false,"size":"64x64"}`, `{"prompt":"x","safe":null,"image":null,"guidance_scale":"3","size":"64x64"}`} {
		if a := post(t, target, body); a.status != http.StatusOK {
			t.Errorf("%s: status %d: %s", body, a.status, a.body)
		}
	}
}

// TestLegacyOptions checks that the legacy host rejects nothing and uses the valid
// options.
func TestLegacyOptions(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	base := s.LegacyImageURL() + "/prompt/a%20boat?width=64&height=64&model=kontext"
	plain := get(t, base)
	for query, same := range map[string]bool{
		"&guidance_scale=much": true, "&guidance_scale=NaN": true, "&reasoning=deep": true, "&image=": true,
		"&guidance_scale=4": false, "&image=" + url.QueryEscape("https://a.example/x"): false, "&image=nonsense": false,
	} {
		a := get(t, base+query)
		if a.status != http.StatusOK || bytes.Equal(a.body, plain.body) != same {
			t.Errorf("%s: status %d, same image %t, want %t", query, a.status, !same, same)
		}
	}
}
