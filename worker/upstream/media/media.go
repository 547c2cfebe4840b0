// Package media has what an upstream client returns, an image or speech, and checks that its bytes are complete and of a
// known type: a response with status 200 proves nothing.
package media

// Media is an image or speech that passed all checks.
type Media struct {
	// ContentType is detected from the bytes and not taken from the header.
	ContentType string
	Data        []byte
	// Width and Height are the actual size of the image, which may differ from the requested one; 0 for speech.
	Width, Height int
	// SampleRate and Channels are set for raw PCM samples, which do not contain them; 0 for other formats.
	SampleRate, Channels int
	// Model is the model that the upstream names, else the requested one.
	Model string
	// CacheHit is set if the response came from the upstream's cache, which costs nothing.
	CacheHit bool
	// Seedless is set if the seed was not sent, because the upstream does not support one.
	Seedless bool
	// Usage is the usage as counted by the upstream.
	Usage Usage
}

// Usage is the usage of a call as counted by an upstream; the model list has the prices. Missing counts are 0.
type Usage struct {
	// ImageTokens is the number of images or of their tokens, depending on the model.
	ImageTokens float64
	// AudioCharacters is the number of characters converted to speech.
	AudioCharacters float64
}
