package chat

import "github.com/text2image-audio/text2image-audio/pkg/simulator/kit"

// The variations of a completion.
const (
	faultBlankLines       = "blank_lines"         // blank lines before the JSON of a chat
	faultKeepAlive        = "keepalive_comments"  // comments between the events of a stream
	faultUsageChunk       = "usage_chunk"         // usage in a chunk of its own without choices
	faultSplitChunks      = "split_chunks"        // a stream cut within lines and characters
	faultSilentStream     = "silent_stream"       // a stream that stops sending and stays open
	faultWithoutDone      = "stream_without_done" // a stream that ends without finish_reason and [DONE]
	faultEndlessKeepAlive = "endless_keepalive"   // endless keep-alives, or blank lines without streaming
	faultEmptyContent     = "empty_content"       // a completion without text
	faultFinishLength     = "finish_length"       // half of the text and finish_reason length
	faultFinishFilter     = "finish_content_filter"
	faultFinishTools      = "finish_tool_calls"
	faultFinishSystem     = "finish_insufficient_system_resource"
	faultAudioAnswers     = "audio_answers" // openai-audio replies to the text instead of reading it
)

// Faults returns the variations of a completion, for the host that has them.
func Faults() map[string]kit.Fault {
	return kit.Variations(
		faultBlankLines, faultKeepAlive, faultUsageChunk, faultSplitChunks, faultSilentStream, faultWithoutDone, faultEndlessKeepAlive,
		faultEmptyContent, faultFinishLength, faultFinishFilter, faultFinishTools, faultFinishSystem, faultAudioAnswers,
	)
}
