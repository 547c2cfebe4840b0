package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// bodyCases are unreadable bodies and the errors of native routes.
var bodyCases = []struct {
	name, body string
	status     int
	code       string
	detail     string
}{
	{"empty", "", 400, "body_required", "no body"},
	{"blank", " \r\n\t", 400, "body_required", "no body"},
	{"text", "hello", 400, "invalid_json", "byte 1"},
	{"cut off", `{"kind":"image","input":{"prompt":"a`, 400, "invalid_json", "byte 36"},
	{"trailing data", goodBody + goodBody, 400, "invalid_json", "Unexpected data after"},
	{"trailing word", goodBody + " x", 400, "invalid_json", "Unexpected data after"},
	{"comma too many", `{"kind":"prompt",}`, 400, "invalid_json", "byte 18"},
	{"a list", "[]", 400, "invalid_json", "single JSON object"},
	{"a text", `"a"`, 400, "invalid_json", "single JSON object"},
	{"a number", "7", 400, "invalid_json", "single JSON object"},
	{"null", "null", 400, "invalid_json", "single JSON object"},
	{"not UTF-8", "{\"kind\":\"\xff\"}", 400, "invalid_json", "not valid UTF-8: invalid byte at offset 9"},
	{"UTF-16", "\xff\xfe{\x00}\x00", 400, "invalid_json", "UTF-8"},
	{"NUL", "\x00", 400, "invalid_json", "byte 1"},
	{"raw control character", "{\"kind\":\"a\x01\"}", 400, "invalid_json", "byte"},
	{"deep lists", `{"kind":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", 400, "invalid_json", "nested"},
	{"very deep", strings.Repeat("[", 20_000), 400, "invalid_json", "nested"},
	{"very deep objects", strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000), 400, "invalid_json", "nested"},
	{"too large", strings.Repeat(" ", server.MaxBody) + goodBody, 413, "body_too_large", "262144 bytes"},
}

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, tc := range bodyCases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := b.submit(t, tc.body).problem(t, tc.status, tc.code)
			if !strings.Contains(f.Detail, tc.detail) || strings.Contains(f.Detail, "{") {
				t.Errorf("detail %q, want %q in it", f.Detail, tc.detail)
			}
			chinese := b.submit(t, tc.body, language("zh-TW"))
			if c := chinese.problem(t, tc.status, tc.code); c.Detail == f.Detail {
				t.Errorf("in Chinese: %q", c.Detail)
			}
			for _, path := range originalRoutes {
				b.post(t, path, tc.body).originalError(t, tc.status, tc.code)
			}
		})
	}
}

func TestBodyWithoutLengthIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	endless := io.LimitReader(zeros{}, 64<<20)
	resp, err := b.client.Do(b.newRequest(t.Context(), t, http.MethodPost, "/api/jobs", endless))
	var netErr net.Error
	if errors.As(err, &netErr) || errors.Is(err, io.EOF) {
		return // The server may close the connection.
	}
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// zeros is an endless reader of spaces.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestMediaTypesOfBodies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for contentType, status := range map[string]int{
		"application/json":                  202,
		"application/json; charset=utf-8":   202,
		"Application/JSON;charset=UTF-8":    202,
		"application/merge-patch+json":      202,
		"":                                  202,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x":   415,
		"application/json; charset=gbk":     415,
		"application/jsonx":                 415,
		";;;":                               415,
	} {
		resp := b.submit(t, goodBody, header("Content-Type", contentType))
		if resp.StatusCode != status {
			t.Errorf("%q: status %d, want %d", contentType, resp.StatusCode, status)
		}
	}
	b.submit(t, goodBody, header("Content-Encoding", "gzip")).
		problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	// The original accepted any type.
	b.post(t, "/api/translate", `{}`, header("Content-Type", "text/plain")).
		originalError(t, http.StatusBadRequest, "invalid_request")
}

func TestDuplicateFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"kind":"prompt","kind":"image","input":{"text":"a","text":"b","text":"c"}}`
	f := b.submit(t, body).problem(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) != 3 || f.Errors[0].Pointer != "/kind" || f.Errors[0].Code != "duplicate_field" || f.Errors[1].Pointer != "/input/text" {
		t.Errorf("got %v", f.Errors.list())
	}
}

func TestNumberFormats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for number, code := range map[string]string{
		"128": "", "1e3": "", "128.0": "", "1280e-1": "", "1.5": "wrong_type", "128.5": "wrong_type", "1e-1": "wrong_type", "-0": "out_of_range",
		"99999999999999999999": "out_of_range", "-99999999999999999999": "out_of_range", "1e400": "out_of_range", "-1e400": "out_of_range",
		"1e20": "out_of_range",
	} {
		resp := b.submit(t, `{"kind":"image","input":{"prompt":"p","height":64,"width":`+number+`}}`)
		if code == "" {
			resp.expect(t, http.StatusAccepted)
			continue
		}
		if f := resp.problem(t, http.StatusBadRequest, "invalid_request"); len(f.Errors) != 1 || f.Errors[0].Code != code {
			t.Errorf("width %s: %v", number, f.Errors.list())
		}
	}
	f := b.submit(t, `{"kind":"audio","input":{"text":"p","speed":1e400}}`).
		problem(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) != 1 || f.Errors[0].Code != "out_of_range" {
		t.Errorf("speed: %v", f.Errors.list())
	}
}

func TestByteOrderMarkIsAccepted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(t, "\xef\xbb\xbf"+goodBody).expect(t, http.StatusAccepted)
}

func FuzzDecode(f *testing.F) {
	for _, tc := range bodyCases {
		if len(tc.body) < 1<<10 {
			f.Add([]byte(tc.body))
		}
	}
	f.Add([]byte(goodBody))
	f.Add([]byte(`{"kind":"image","input":{"prompt":"p","width":64,"seed":-1,"n":4,"optimize":true},"deadline_seconds":60}`))
	f.Add([]byte(`{"kind":"audio","input":{"text":"\ud800","speed":0.5,"voice":null}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := server.DecodeGeneration(body); err != nil {
			checkClientError(t, err)
		}
		kind, in, deadline, faults, err := server.DecodeSubmission(body)
		if err != nil {
			checkClientError(t, err)
			return
		}
		if len(faults) > 0 || in == nil {
			for _, fault := range faults {
				if fault.Pointer == "" || fault.Sentence(job.Chinese) == fault.Code {
					t.Errorf("fault %+v", fault)
				}
			}
			return
		}
		// An accepted body must decode as it does with encoding/json.
		type plain struct {
			Kind     string          `json:"kind"`
			Input    json.RawMessage `json:"input"`
			Deadline *int            `json:"deadline_seconds"`
		}
		var want plain
		if err := decodeStrict(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &want); err != nil {
			if strings.Contains(err.Error(), "cannot unmarshal number") {
				return // Numbers out of range are clamped, for the range check to report.
			}
			t.Fatalf("accepted, but encoding/json returns %v", err)
		}
		wantIn, _ := job.NewInput(job.Kind(want.Kind))
		if want.Input != nil && string(want.Input) != "null" {
			if err := decodeStrict(want.Input, wantIn); err != nil {
				if strings.Contains(err.Error(), "cannot unmarshal number") {
					return
				}
				t.Fatalf("input accepted, but encoding/json returns %v", err)
			}
		}
		if kind != want.Kind || !reflect.DeepEqual(in, wantIn) || !reflect.DeepEqual(deadline, want.Deadline) {
			t.Errorf("%s: got %+v, want %+v", body, in, wantIn)
		}
	})
}

func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func checkClientError(t *testing.T, err error) {
	t.Helper()
	if _, status, ok := server.IsProblem(err); !ok || status < 400 || status > 499 {
		t.Errorf("rejected with %v", err)
	}
}

// TestMissingBodyTimesOut sends the head and only the first bytes of the body over a connection that stays open.
func TestMissingBodyTimesOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := dial(t, b.addr())
	_, err := io.WriteString(conn, "POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a")
	must(t, err)
	got, err := io.ReadAll(conn)
	must(t, err)
	if head, _, _ := strings.Cut(string(got), "\r\n"); !strings.Contains(head, "408") {
		t.Errorf("got %q", got)
	}
}
