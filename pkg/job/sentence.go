package job

// Lang is a language.
type Lang string

// The languages.
const (
	English Lang = "en"
	Chinese Lang = "zh"
)

// Langs returns all languages, the default first.
func Langs() []Lang { return []Lang{English, Chinese} }

// words is a sentence in all languages.
type words struct{ en, zh string }

func (w words) in(lang Lang) string {
	if lang == Chinese {
		return w.zh
	}
	return w.en
}

// fieldSentences are the sentences of FieldError, by code.
var fieldSentences = map[string]words{
	"required": {"must not be empty", "不能为空"},
	"too_long": {"must be at most {max} characters", "不能超过 {max} 个字符"},
	"too_long_in_address": {
		"is too long for the image service in use: with negative and reference_images at most {max} bytes after URL escaping; a Chinese character takes nine", "对当前的图片服务来说过长：连同 negative 和 reference_images，经 URL 转义后不能超过 {max} 字节（一个汉字占九字节）",
	},
	"too_short": {"must be at least {min} characters", "不能少于 {min} 个字符"},
	"password_too_common": {
		"is one of the most common passwords, which are easily guessed; choose another one", "是最常用的密码之一，极易被猜中，请换一个",
	},
	"invalid_email":       {"must be an e-mail address", "必须是有效的邮箱地址"},
	"control_character":   {"must not contain control characters", "不能包含控制字符"},
	"out_of_range":        {"must be between {min} and {max}", "必须在 {min} 到 {max} 之间"},
	"invalid_size":        {"must be auto, or width and height in pixels such as 1024x1024", "必须是 auto，或以像素表示的宽高，例如 1024x1024"},
	"too_many_pixels":     {"width times height must be at most {max} pixels", "宽乘高不能超过 {max} 像素"},
	"unknown_value":       {"must be one of: {known}", "必须是以下之一：{known}"},
	"unknown_voice":       {"is not a voice of any speech model", "不是任何语音模型的声音"},
	"retired_model":       {"is a retired model; use {replacement} instead", "该模型已停用，请改用 {replacement}"},
	"speed_needs_format":  {"can differ from 1 only with one of these formats: {formats}", "只有格式为以下之一时才能不等于 1：{formats}"},
	"invalid_reference":   {"must be upload:<id> or job:<id>/<index>", "必须为 upload:<id> 或 job:<id>/<index>"},
	"reference_needs_url": {"must be a URL: the image service in use accepts no stored images", "必须是 URL：当前的图片服务不接受已存储的图片"},
	"reference_not_found": {"is no image of yours, or has expired or been deleted", "不是您的图片，或者已过期或已被删除"},
	"mask_not_supported":  {"is not supported: an image is edited as a whole", "不受支持：图片总是整体编辑"},
	"reference_not_image": {"is not an image", "不是图片"},
	"batch_references_too_large": {
		"exceed, together with those of the jobs before it, the {max} bytes that the stored images of a batch may have", "与前面任务的图片合计超过 {max} 字节，即一个批次可用的已存储图片总大小",
	},
	"references_too_large": {"exceeds, together with the stored images before it, {max} bytes", "与之前的已存储图片合计超过 {max} 字节"},
	"invalid_url":          {"must be an absolute http or https URL without spaces, user name, fragment, comma or |", "必须是完整的 http 或 https 地址，且不含空格、用户名、片段、逗号或 |"},
	"invalid_webhook": {
		"must be an absolute https URL on port 443 or 8443 of a public host, without spaces, user name or fragment, of at most 2048 characters",
		"必须是完整的 https 地址，指向公网主机的 443 或 8443 端口，不含空格、用户名或片段，不超过 2048 个字符",
	},
	"invalid_amount":  {"must be a decimal number above 0 with at most eight decimals, such as \"1.5\"", "必须是大于 0、至多八位小数的十进制数，例如 \"1.5\""},
	"too_many_items":  {"has too many entries; the maximum is {max}", "最多只能有 {max} 项"},
	"not_for_model":   {"is not supported by the model {model}", "不适用于模型 {model}"},
	"unknown_field":   {"is not a known field", "未知字段"},
	"duplicate_field": {"appears more than once", "重复出现"},
	"wrong_type":      {"must be {want}", "类型不对，应为{want}"},
	"not_with":        {"cannot be combined with {other}", "不能与 {other} 同时提供"},
	"all_needed":      {"must be true unless kind, code, owner or since limits the selection", "未以 kind、code、owner 或 since 限定范围时必须为 true"},
	"invalid_value":   {"is not valid", "无效"},
	"invalid_time": {
		"must be an RFC 3339 time such as 2026-11-30T12:00:00Z (in a URL, write + as %2B)", "必须是 RFC 3339 格式的时间，例如 2026-11-30T12:00:00Z（在 URL 中 + 要写作 %2B）",
	},
	"invalid_date": {"must be a date such as 2026-11-30", "必须是日期，例如 2026-11-30"},
}

// fieldSentence returns the sentence of a code of FieldError with its placeholders, or the code itself if it is unknown, so that
// a missing sentence shows.
func fieldSentence(code string, lang Lang) string {
	w, ok := fieldSentences[code]
	if !ok {
		return code
	}
	return w.in(lang)
}
