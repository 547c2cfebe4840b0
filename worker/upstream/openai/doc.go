// Package openai calls services that speak OpenAI's API for images and speech: OpenAI, LocalAI, LiteLLM, vLLM and others.
// Texts are made with package deepseek, which speaks the same API for chats.
package openai
