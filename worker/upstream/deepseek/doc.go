// Package deepseek improves prompts and translates texts with a language model at DeepSeek, SiliconFlow or a compatible
// service.
//
// It has the two system prompts, sends the chat request, reads a streamed or complete response, and removes headings,
// quotation marks and the like around the text. Every failure is a *fault.Error. It never retries and never falls back to
// the original text; both are the caller's decision.
package deepseek
