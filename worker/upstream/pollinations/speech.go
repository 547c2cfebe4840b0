package pollinations

import (
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// readSpeech reads and checks a response. The wanted format may differ from that of the request r.
func readSpeech(resp *upstream.Response, r SpeechRequest, wanted string, inJSON bool) (*Media, error) {
	data, err := readBody(resp, "audio/", inJSON)
	if err != nil {
		return nil, err
	}
	model := ""
	if inJSON {
		if data, model, err = unpackSpeech(resp, data, r.text()); err != nil {
			return nil, err
		}
	}
	m, err := media.CheckSpeech(data, wanted, resp.Header)
	if err != nil {
		return nil, err
	}
	if describe(m, resp.Header); m.Model == "" {
		m.Model = model
	}
	return m, nil
}
