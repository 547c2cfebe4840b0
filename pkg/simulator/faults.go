package simulator

import (
	"maps"
	"slices"
)

// fault writes the answer of a scripted fault. A nil fault is a manner: the
// good answer is given, but in another way.
type fault func(*exchange)

// The manners, which the code that writes good answers looks at.
const (
	faultTruncated     = "truncated"           // a Content-Length longer than the body, then cut off
	faultStalled       = "stalled"             // half the body, then silence until the client goes
	faultEmpty         = "empty"               // status 200 and no body
	faultAcceptAudio   = "accept_openai_audio" // the speech route takes the model openai-audio
	faultBudgetedKey   = "budgeted_key"        // the balance in its short shape
	faultBlankLines    = "blank_lines"         // blank lines before the JSON of a chat
	faultKeepAlive     = "keepalive_comments"  // comments between the events of a stream
	faultUsageChunk    = "usage_chunk"         // usage in a chunk of its own with no choices
	faultSplitChunks   = "split_chunks"        // a stream cut within lines and characters
	faultSilentStream  = "silent_stream"       // a stream that stops talking and stays open
	faultWithoutDone   = "stream_without_done" // a stream that ends without finish_reason and [DONE]
	faultEndlessAlive  = "endless_keepalive"   // keep-alives for ever, or blank lines without streaming
	faultEmptyContent  = "empty_content"       // a chat answer with no text
	faultFinishLength  = "finish_length"       // half the text and finish_reason length
	faultFinishFilter  = "finish_content_filter"
	faultFinishTools   = "finish_tool_calls"
	faultFinishSystem  = "finish_insufficient_system_resource"
	faultModeratedLate = "safety_redacted" // a good answer with the X-Safety headers of a redacted prompt

	faultSpacing        = "legacy_spacing"    // the legacy hosts refuse generations that follow too closely
	faultDeprecated     = "legacy_deprecated" // the legacy hosts announce their end
	faultTokenUnknown   = "legacy_token_401"  // the legacy hosts refuse whoever sends a token
	faultTokenUnpaid    = "legacy_token_402"  // the same with another status
	faultTokenForbidden = "legacy_token_403"  // the same with another status
	faultAudioAnswers   = "audio_answers"     // openai-audio answers the text instead of reading it
	faultNoThinking     = "thinking_refused"  // SiliconFlow refuses to be told about thinking
	faultFirstHit       = "first_hit"         // whoever caused a generation sees X-Cache: HIT too
)

// faults builds the table of everything Rule.Fault may name.
func faults() map[string]fault {
	table := map[string]fault{
		"hang":                    (*exchange).hang,
		"reset":                   (*exchange).reset,
		"error_picture":           (*exchange).errorPicture,
		"error_picture_bare":      (*exchange).errorPictureBare,
		"error_picture_large":     (*exchange).errorPictureLarge,
		"error_picture_throttled": (*exchange).errorPictureThrottled,
		"wrong_size":              (*exchange).wrongSize,
		"wrong_type":              (*exchange).wrongType,
		"not_json":                (*exchange).notJSON,
		"garbage":                 (*exchange).garbage,
	}
	for _, manner := range []string{
		faultTruncated, faultStalled, faultEmpty, faultAcceptAudio, faultBudgetedKey, faultBlankLines, faultKeepAlive, faultUsageChunk, faultSplitChunks,
		faultSilentStream, faultWithoutDone, faultEndlessAlive, faultEmptyContent, faultFinishLength, faultFinishFilter, faultFinishTools, faultFinishSystem, faultModeratedLate,
		faultSpacing, faultDeprecated, faultTokenUnknown, faultTokenUnpaid, faultTokenForbidden, faultAudioAnswers, faultNoThinking, faultFirstHit,
	} {
		table[manner] = nil
	}
	for manner := range googleManners() {
		table[manner] = nil
	}
	maps.Copy(table, googleFaults())
	maps.Copy(table, pageFaults())
	maps.Copy(table, scriptedFailures())
	maps.Copy(table, hostileFaults())
	return table
}

// FaultNames lists, sorted, what Rule.Fault may name.
func (s *Simulator) FaultNames() []string { return slices.Sorted(maps.Keys(s.faults)) }
