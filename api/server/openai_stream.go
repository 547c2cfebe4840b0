package server

import (
	"cmp"
	"encoding/base64"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// deltaSize is the size of one part of a streamed audio file, in bytes.
const deltaSize = 24 << 10

// openAIStream writes the events of one response. It is a plain response of net/http, since it ends with its job. The first event or
// comment sends the headers, so that a job that fails before has the status of its error.
type openAIStream struct {
	c       *gin.Context
	control *http.ResponseController
}

// send sends an event.
func (s *openAIStream) send(name string, v any) error {
	data, err := respond.Encode(v)
	if err != nil {
		return err
	}
	event := make([]byte, 0, len(name)+len(data)+len("event: \ndata: \n\n"))
	event = append(append(append(event, "event: "...), name...), "\ndata: "...)
	return s.write(append(append(event, data...), "\n\n"...))
}

func (s *openAIStream) write(data []byte) error {
	if !s.c.Writer.Written() {
		sse.SetHeaders(s.c.Writer.Header())
	}
	if _, err := s.c.Writer.Write(data); err != nil {
		return err
	}
	return s.control.Flush()
}

// stream responds with events: each is called with every state of the job that has more media, and at its end. An error after the
// first event is an event. A stream lasts as long as its job and gets comments meanwhile.
func (h *openAIHandler) stream(c *gin.Context, call *call, each func(*openAIStream, *job.Snapshot) error) error {
	markLongRequest(c, telemetry.LongStream)
	s := &openAIStream{c, http.NewResponseController(c.Writer)}
	err := h.follow(c, call, s, each)
	if ctxErr := c.Request.Context().Err(); ctxErr != nil || err == nil || !c.Writer.Written() {
		return cmp.Or(ctxErr, err)
	}
	_ = s.send("error", h.problems.OpenAIError(c, err)) // If the client does not receive it, it is gone.
	return nil
}

// follow calls each until the job ends, the client disconnects, or the server begins to stop.
func (h *openAIHandler) follow(c *gin.Context, call *call, s *openAIStream, each func(*openAIStream, *job.Snapshot) error) error {
	stop, release := lifetime.UntilStop(c.Request.Context())
	defer release()
	seen := 0
	for {
		snap, err := h.await(c, []string{call.caller.Owner}, call.job.Spec.ID, h.keepAlive, func(snap *job.Snapshot) bool {
			return ended(snap) || len(storedMedia(snap)) > seen
		})
		if err != nil {
			return err
		}
		switch {
		case ended(snap):
			if _, err := call.outcome(snap); err != nil {
				return err
			}
			return each(s, snap)
		case stop.Err() != nil:
			_, err := call.outcome(snap)
			return err
		case len(storedMedia(snap)) > seen:
			err = each(s, snap)
		default:
			err = s.write([]byte(": keep-alive\n\n"))
		}
		if err != nil {
			return err
		}
		seen = len(storedMedia(snap))
	}
}

// storedMedia returns the media that a job has so far.
func storedMedia(snap *job.Snapshot) []job.Media {
	switch {
	case snap.Record != nil && snap.Record.Result != nil:
		return snap.Record.Result.Media
	case snap.Record == nil && snap.Progress != nil:
		return snap.Progress.Media
	}
	return nil
}

// streamImages responds with an event for each image, as soon as it is there. There are no partial images: the upstream has none.
func (h *openAIHandler) streamImages(c *gin.Context, call *call, name, output string) error {
	sent := map[int]bool{}
	return h.stream(c, call, func(s *openAIStream, snap *job.Snapshot) error {
		for _, m := range storedMedia(snap) {
			if sent[m.Index] {
				continue
			}
			m, data, err := h.readImage(c, snap.Spec, m, output)
			if err != nil {
				return err
			}
			if err := s.send(name, openai.NewImageCompleted(name, snap.Spec, m, data)); err != nil {
				return err
			}
			sent[m.Index] = true
		}
		return nil
	})
}

// streamSpeech responds with the audio file in parts. They follow its end, since the upstream sends it whole.
func (h *openAIHandler) streamSpeech(c *gin.Context, call *call) error {
	return h.stream(c, call, func(s *openAIStream, snap *job.Snapshot) error {
		if !ended(snap) {
			return nil
		}
		_, data, err := firstMedia(c, h.store, snap.Record)
		if err != nil {
			return err
		}
		for len(data) > 0 {
			part := data[:min(deltaSize, len(data))]
			data = data[len(part):]
			const delta = "speech.audio.delta"
			if err := s.send(delta, openai.SpeechDelta{Type: delta, Audio: base64.StdEncoding.EncodeToString(part)}); err != nil {
				return err
			}
		}
		const done = "speech.audio.done"
		return s.send(done, openai.SpeechDone{Type: done})
	})
}
