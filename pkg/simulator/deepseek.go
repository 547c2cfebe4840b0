package simulator

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// deepSeekChat serves POST /chat/completions of DeepSeek.
func (x *exchange) deepSeekChat() {
	request, err := readChat(x.body)
	if !x.arrive(request.Model, request.lastUser(), request.system()) {
		return
	}
	if err != nil {
		line, column := jsonPosition(x.body, err)
		x.refuse(failure{status: http.StatusBadRequest, message: fmt.Sprintf("Failed to deserialize the JSON body into the target type: %s at line %d column %d", deserializeFault(err), line, column)})
		return
	}
	if field, message := request.check(); field != "" {
		status := http.StatusUnprocessableEntity
		if field == "messages" || field == "response_format" {
			status = http.StatusBadRequest
		}
		x.refuse(failure{status: status, message: message})
		return
	}
	model, known := findChatModel(deepSeekChatModels(), request.Model)
	if !known {
		message := "Model Not Exist"
		if request.Model == "deepseek-chat" || request.Model == "deepseek-reasoner" {
			message = "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed " + request.Model + "."
		}
		x.refuse(failure{status: http.StatusBadRequest, message: message})
		return
	}
	x.converse(request, model)
}

// deserializeFault words a decoding fault without the user's text.
func deserializeFault(err error) string {
	if field, message, ok := wrongType(err); ok {
		return field + ": " + strings.ToLower(message)
	}
	return "expected value"
}

// prefixes remembers the system messages seen, for DeepSeek's cache fields:
// a prefix seen before is a hit, in blocks of 64 tokens.
type prefixes struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
}

const (
	prefixBlock = 64
	maxPrefixes = 1000
)

func newPrefixes() *prefixes { return &prefixes{seen: map[[sha256.Size]byte]bool{}} }

// hit returns the cached tokens of a system message and remembers it.
func (p *prefixes) hit(system string) int {
	sum := sha256.Sum256([]byte(system))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen[sum] {
		return countTokens(system) / prefixBlock * prefixBlock
	}
	if len(p.seen) >= maxPrefixes {
		clear(p.seen)
	}
	p.seen[sum] = true
	return 0
}
