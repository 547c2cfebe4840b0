// Package openai holds the requests and responses of the OpenAI-compatible API: how they become inputs of jobs, and what the results
// of jobs become. It accepts what the OpenAI API accepts and ignores fields that mean nothing here, so that programs need no change.
package openai
