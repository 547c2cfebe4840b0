// Package deepseek asks a language model, at DeepSeek, at SiliconFlow or at a compatible service, to improve a prompt or to
// translate a text.
//
// It has the two system prompts, sends the chat request, reads a streamed or whole response, and removes what models wrap
// around a text. Every failure is a *fault.Error. It never retries and never falls back to the original text: that is the
// caller's decision.
package deepseek
