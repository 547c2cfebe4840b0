package reference

// labels are the labels of the page by language.
//
//nolint:gosec // The labels of a token are no secrets.
var labels = map[string]map[string]string{
	"en": {
		"api": "API reference", "search": "Search operations", "none": "Nothing matches.", "contents": "Contents", "overview": "Overview",
		"contract": "The contract as a file", "home": "To the studio", "other": "中文", "parameters": "Parameters", "name": "Name", "in": "In",
		"meaning": "Meaning", "required": "required", "body": "Request body", "example": "Example", "responses": "Responses",
		"status": "Status", "headers": "Headers", "schemas": "Schemas", "oneOf": "One of", "field": "Field", "type": "Type",
		"request": "Request", "copy": "Copy", "copied": "Copied", "try": "Try it", "send": "Send", "stop": "Stop", "token": "Bearer token",
		"tokenHint": "Sent with the requests below, and forgotten when the page is closed. Signed-in browsers need none.",
		"real":      "This sends a real request to this installation.", "failed": "No response: {error}", "took": "{status} in {ms} ms",
		"skip": "To the content", "english": "",
	},
	"zh": {
		"api": "API 参考", "search": "搜索接口", "none": "没有匹配的接口。", "contents": "目录", "overview": "概述",
		"contract": "接口契约文件", "home": "返回创作页", "other": "English", "parameters": "参数", "name": "名称", "in": "位置",
		"meaning": "说明", "required": "必填", "body": "请求体", "example": "示例", "responses": "响应",
		"status": "状态码", "headers": "响应头", "schemas": "数据结构", "oneOf": "以下之一", "field": "字段", "type": "类型",
		"request": "请求", "copy": "复制", "copied": "已复制", "try": "试一试", "send": "发送", "stop": "停止", "token": "Bearer 令牌",
		"tokenHint": "随下面的请求发送，关闭页面后即丢弃。已登录的浏览器无需填写。",
		"real":      "这会向本站发送真实的请求。", "failed": "没有响应：{error}", "took": "{status}，用时 {ms} 毫秒",
		"skip": "跳到正文", "english": "接口的说明为英文。",
	},
}
