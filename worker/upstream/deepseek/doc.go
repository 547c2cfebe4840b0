// Package deepseek asks a language model, at DeepSeek, at SiliconFlow or at a service that speaks like one of them, to
// better a prompt or to translate a text.
//
// It owns the two instructions, the chat request, the reading of a streamed or whole response, and the cleaning of what
// the model wraps around its text. Every failure is a *fault.Error. It never retries, and never falls back to the
// user's own words: that is for the caller to decide.
package deepseek
