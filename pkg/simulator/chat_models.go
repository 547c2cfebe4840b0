package simulator

// chatModel is a language model of any upstream.
type chatModel struct {
	name   string
	id     string
	thinks bool
	speaks bool
	tier   string    // of the legacy host; empty means for anybody
	prices [3]string // of a token asked, asked again and answered, at the gateway
}

// gatewayChatModels lists the gateway's language models.
func gatewayChatModels() []chatModel {
	return []chatModel{
		{name: "openai", id: "openai/gpt-5.4-nano", prices: [3]string{"0.0000002", "0.00000002", "0.00000125"}},
		{name: "openai-fast", id: "openai/gpt-5-nano", prices: [3]string{"0.00000005", "0.000000005", "0.0000004"}},
		{name: "openai-audio", id: "openai/gpt-audio-mini", speaks: true, prices: [3]string{"0.0000006", "0.0000006", "0.0000024"}},
		{name: "deepseek", id: "deepseek/deepseek-v4.1-flash", prices: [3]string{"0.00000022", "0.000000007", "0.00000066"}},
		{name: "deepseek-pro", id: "deepseek/deepseek-v4-pro", prices: [3]string{"0.00000066", "0.000000022", "0.00000198"}},
		{name: "mistral", id: "mistralai/mistral-small-3.2", prices: [3]string{"0.0000001", "0.0000001", "0.0000003"}},
		{name: "qwen-coder", id: "alibaba/qwen3-coder", prices: [3]string{"0.0000001", "0.0000001", "0.0000003"}},
	}
}

// deepSeekChatModels lists DeepSeek's own models; id is the name that an
// answer carries.
func deepSeekChatModels() []chatModel {
	return []chatModel{
		{name: "deepseek-flash", id: "deepseek-flash", thinks: true},
		{name: "deepseek-v4-pro", id: "deepseek-v4-pro", thinks: true},
		{name: "deepseek-v4-flash", id: "deepseek-v4-flash", thinks: true},
		{name: "deepseek-v4-flash-vision-exp", id: "deepseek-v4-flash-vision-exp", thinks: true},
	}
}

// findChatModel looks a model up in a list by name or id.
func findChatModel(models []chatModel, name string) (chatModel, bool) {
	for _, m := range models {
		if name == m.name || name == m.id {
			return m, true
		}
	}
	return chatModel{}, false
}
