package problem

import (
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The error codes, besides those of failed jobs.
const (
	CodeInvalid            = "invalid_request"
	CodeInvalidJSON        = "invalid_json"
	CodeBodyRequired       = "body_required"
	CodeTooLarge           = "body_too_large"
	CodeMediaType          = "unsupported_media_type"
	CodeInvalidKey         = "invalid_idempotency_key"
	CodeKeyReused          = "idempotency_key_reused"
	CodeInvalidCursor      = "invalid_cursor"
	CodeIdentity           = "identity_required"
	CodeCrossOrigin        = "cross_origin"
	CodeHost               = "host_not_allowed"
	CodeNotFound           = "not_found"
	CodeMediaNotFound      = "media_not_found"
	CodeRange              = "range_not_satisfiable"
	CodeMethod             = "method_not_allowed"
	CodeInvalidPath        = "invalid_path"
	CodeRequestTimeout     = "request_timeout"
	CodeUploadTooSlow      = "upload_too_slow"
	CodeTooManyUploads     = "too_many_uploads"
	CodeTooManyStreams     = "too_many_streams"
	CodeFinished           = "already_finished"
	CodeNotFinished        = "not_finished"
	CodeNotRetryable       = "not_retryable"
	CodeAdminDisabled      = "admin_disabled"
	CodeAdminKey           = "admin_key_required"
	CodeTooManyGuesses     = "too_many_guesses"
	CodeThrottledUpstream  = "upstream_asked_to_wait"
	CodeStillRunning       = "still_running"
	CodeTooManyActive      = "too_many_active_jobs"
	CodeRateLimited        = "rate_limited"
	CodeQuotaExceeded      = "quota_exceeded"
	CodeBudgetExceeded     = "budget_exceeded"
	CodeQueueFull          = "queue_full"
	CodeStoreFull          = "store_full"
	CodeSignIn             = "sign_in_required"
	CodeToken              = "invalid_token"
	CodeAPIKey             = "invalid_api_key"
	CodeScope              = "insufficient_scope"
	CodeSessionRequired    = "session_required"
	CodeTooManyKeys        = "too_many_api_keys"
	CodeWrongCredentials   = "wrong_credentials" //nolint:gosec // The code of an error.
	CodeWrongPassword      = "wrong_password"
	CodeAccountDisabled    = "account_disabled"
	CodeEmailTaken         = "email_taken"
	CodeResetToken         = "invalid_reset_token"
	CodeVerificationToken  = "invalid_verification_token"
	CodeEmailUnverified    = "email_not_verified"
	CodeTooManyAttempts    = "too_many_attempts"
	CodeFeedbackTooSoon    = "feedback_too_soon"
	CodeImageNotFound      = "image_not_found"
	CodeInvalidImage       = "invalid_picture"
	CodeImageTooLarge      = "picture_too_large"
	CodeSignInAgain        = "sign_in_again"
	CodeGoogleDisabled     = "google_disabled"
	CodeGoogleUnavailable  = "google_unavailable"
	CodeGoogleConfig       = "google_misconfigured"
	CodeGoogleState        = "google_state"
	CodeGoogleRefused      = "google_refused"
	CodeGoogleToken        = "google_token"
	CodeGoogleUnverified   = "google_email_unverified"
	CodeGoogleLinked       = "google_linked_elsewhere"
	CodeOtherGoogle        = "other_google_linked"
	CodeLinkRequired       = "link_required"
	CodePasswordRequired   = "password_required"
	CodeSubmissionsStopped = "submissions_stopped"
	CodeUnavailable        = "unavailable"
	CodeInternal           = job.CodeInternal
)

// The Retry-After of codes, in seconds.
const (
	retryFull        = 30
	retryUnavailable = 5
)

// definition is the HTTP response for an error code.
type definition struct {
	status   int
	sentence Words
	// retryAfter is the default Retry-After, in seconds; 0 for none.
	retryAfter int
	// reasons holds the sentences by Problem.Reason.
	reasons map[string]Words
}

// codes is the table of all codes except those of failed jobs.
var codes = map[string]definition{
	CodeInvalid: {status: http.StatusBadRequest, sentence: Words{"The request is invalid.", "请求无效。"}, reasons: map[string]Words{
		"boundary": {"The Content-Type of the form has no boundary; let the HTTP client set it.", "表单的 Content-Type 缺少 boundary，请由 HTTP 客户端自动设置。"},
		"form":     {"The form is incomplete or malformed; send it again as multipart/form-data.", "表单不完整或格式有误，请重新以 multipart/form-data 发送。"},
		"lines":    {"Invalid jobs: {bad} of {all}; none was accepted.", "有 {bad} 个任务无效，共 {all} 个；没有接受任何任务。"},
	}},
	CodeInvalidJSON: {status: http.StatusBadRequest, sentence: Words{"The body is not valid JSON: syntax error at byte {offset}.", "请求体不是有效的 JSON：第 {offset} 字节处有语法错误。"}, reasons: map[string]Words{
		"encoding": {"The body is not valid UTF-8: invalid byte at offset {offset}.", "请求体不是有效的 UTF-8：第 {offset} 字节无效。"},
		"object":   {"The body must be a single JSON object.", "请求体必须是一个 JSON 对象。"},
		"trailing": {"Unexpected data after the JSON object, at byte {offset}.", "JSON 对象之后有多余数据，位于第 {offset} 字节。"},
		"depth":    {"The body is nested too deeply.", "请求体嵌套层级过深。"},
		"values":   {"The body has too many values.", "请求体包含的值过多。"},
	}},
	CodeBodyRequired: {status: http.StatusBadRequest, sentence: Words{"The request has no body; send a JSON object.", "请求体为空，请发送一个 JSON 对象。"}, reasons: map[string]Words{
		"image": {"The request has no body; send a PNG, JPEG, or WebP image.", "请求体为空，请发送 PNG、JPEG 或 WebP 图片。"},
		"lines": {"The request has no body; send one job per line, each as a JSON object.", "请求体为空，请每行发送一个任务，每个任务为一个 JSON 对象。"},
	}},
	CodeTooLarge: {status: http.StatusRequestEntityTooLarge, sentence: Words{"The body is larger than {max} bytes.", "请求体超过 {max} 字节。"}},
	CodeMediaType: {status: http.StatusUnsupportedMediaType, sentence: Words{"Send the body as application/json, without compression.", "请以 application/json 发送未压缩的请求体。"}, reasons: map[string]Words{
		"form":  {"Send the body as multipart/form-data, with the images as files.", "请以 multipart/form-data 发送请求体，并以文件形式附上图片。"},
		"lines": {"Send the body as application/json or application/jsonl, without compression.", "请以 application/json 或 application/jsonl 发送未压缩的请求体。"},
	}},
	CodeInvalidKey:    {status: http.StatusBadRequest, sentence: Words{"Idempotency-Key must appear once and be 1 to 255 visible ASCII characters.", "Idempotency-Key 只能出现一次，且必须为 1 到 255 个可见 ASCII 字符。"}},
	CodeKeyReused:     {status: http.StatusUnprocessableEntity, sentence: Words{"This Idempotency-Key was already used for a different request.", "该 Idempotency-Key 已用于另一个请求。"}},
	CodeInvalidCursor: {status: http.StatusBadRequest, sentence: Words{"The cursor is invalid; use the next_cursor of this list.", "游标无效，请使用此列表返回的 next_cursor。"}},
	CodeIdentity:      {status: http.StatusUnauthorized, sentence: Words{"Only an identified caller has a list of jobs: open the page, which sets a cookie, or sign in.", "只有可识别的用户才有任务列表：请先打开网页以获取 Cookie，或登录。"}},
	CodeCrossOrigin:   {status: http.StatusForbidden, sentence: Words{"Cross-origin requests from this site are not allowed.", "不允许来自该网站的跨域请求。"}},
	CodeHost:          {status: http.StatusMisdirectedRequest, sentence: Words{"This server does not serve the host name of the request; the operator can allow it with PUBLIC_HOSTS.", "服务器不接受请求中的主机名；管理员可通过 PUBLIC_HOSTS 添加该主机名。"}},
	CodeNotFound: {status: http.StatusNotFound, sentence: Words{"The job does not exist or has expired.", "任务不存在或已过期。"}, reasons: map[string]Words{
		"batch":       {"The batch does not exist or has expired.", "批次不存在或已过期。"},
		"dead_letter": {"The dead letter does not exist: it was replayed, purged, or has expired.", "死信不存在：已被重放、清除或已过期。"},
		"kind":        {"Unknown kind of job.", "未知的任务类型。"},
		"api_key":     {"The API key does not exist or was revoked.", "API 密钥不存在或已被吊销。"},
		"switch":      {"Unknown switch.", "未知的开关。"},
		"upstream":    {"Unknown upstream.", "未知的上游服务。"},
		"delivery":    {"The delivery does not exist or has expired.", "投递记录不存在或已过期。"},
		"upload":      {"The upload does not exist, was deleted or has expired.", "上传的图片不存在、已被删除或已过期。"},
		"feedback":    {"The feedback does not exist or was deleted.", "反馈不存在或已被删除。"},
		"model":       {"The model does not exist.", "模型不存在。"},
		"path":        {"Not Found", "Not Found"},
	}},
	CodeMediaNotFound:  {status: http.StatusNotFound, sentence: Words{"The job has no such file, or has not produced it yet.", "任务没有此文件，或尚未生成。"}},
	CodeRange:          {status: http.StatusRequestedRangeNotSatisfiable, sentence: Words{"The requested range is outside the file.", "请求的范围超出文件大小。"}},
	CodeMethod:         {status: http.StatusMethodNotAllowed, sentence: Words{"This URL does not support the method {method}.", "该 URL 不支持 {method} 方法。"}},
	CodeInvalidPath:    {status: http.StatusBadRequest, sentence: Words{"The path is ambiguous; do not percent-encode slashes, dots, or the fixed parts of a path.", "请求路径有歧义，请勿对斜杠、点号或路径的固定部分进行百分号编码。"}},
	CodeRequestTimeout: {status: http.StatusRequestTimeout, sentence: Words{"The body did not arrive in time.", "接收请求体超时。"}},
	CodeUploadTooSlow:  {status: http.StatusRequestTimeout, sentence: Words{"The upload was slower than {min} KiB per second and was stopped.", "上传速度低于每秒 {min} KiB，已中止。"}},
	CodeTooManyUploads: {status: http.StatusTooManyRequests, sentence: Words{"You already have {max} uploads in progress, the maximum; wait until one has finished.", "您已有 {max} 个上传正在进行，达到上限；请等其中一个完成后再试。"}, reasons: map[string]Words{
		"stored": {"You have {max} uploaded images, the maximum; delete one, or wait until one has expired.", "您已有 {max} 张上传的图片，达到上限；请删除其中一张，或等其中一张过期。"},
	}},
	CodeTooManyStreams: {status: http.StatusTooManyRequests, sentence: Words{"You already have the maximum number of event streams open ({max}); close some, follow all jobs on one stream with GET /api/events, or poll with ?wait=.", "您已打开 {max} 个事件流，达到上限；请关闭部分事件流，或用 GET /api/events 在一个流中接收所有任务的事件，或用 ?wait= 轮询。"}, reasons: map[string]Words{
		"wait": {"You already have {max} requests waiting for jobs, the maximum; wait until some have finished, or follow all jobs on one stream with GET /api/events.", "您已有 {max} 个请求在等待任务，达到上限；请等其中一些结束，或用 GET /api/events 在一个流中接收所有任务的事件。"},
	}},
	CodeFinished: {status: http.StatusConflict, sentence: Words{"The job has already finished.", "任务已经结束。"}},
	CodeNotFinished: {status: http.StatusConflict, sentence: Words{"The job has not finished yet; cancel it first.", "任务尚未结束，请先取消。"}, reasons: map[string]Words{
		"image": {"The job has not finished yet; its images can be saved once it has.", "任务尚未结束，结束后方可保存图片。"},
	}},
	CodeNotRetryable: {status: http.StatusConflict, sentence: Words{"Only a failed or canceled job can be retried.", "只有失败或已取消的任务才能重试。"}, reasons: map[string]Words{
		"batch":       {"No job of the batch has failed or been canceled.", "批次中没有失败或已取消的任务。"},
		"dead_letter": {"This dead letter cannot be decoded, so it cannot be replayed.", "该死信无法解析，不能重放。"},
		"references":  {"The reference images of the job have expired or were deleted with it, so it cannot be replayed.", "任务的参考图已过期或已随任务删除，不能重放。"},
	}},
	CodeAdminDisabled:     {status: http.StatusForbidden, sentence: Words{"The admin API is disabled; set ADMIN_KEY to enable it.", "管理接口未启用，请设置 ADMIN_KEY。"}},
	CodeAdminKey:          {status: http.StatusUnauthorized, sentence: Words{"Missing or wrong admin key; send ADMIN_KEY as Authorization: Bearer or X-Admin-Key.", "缺少管理密钥或密钥错误；请以 Authorization: Bearer 或 X-Admin-Key 发送 ADMIN_KEY。"}},
	CodeTooManyGuesses:    {status: http.StatusTooManyRequests, sentence: Words{"Too many wrong keys from this address; try again later.", "该地址发送错误密钥的次数过多，请稍后重试。"}},
	CodeThrottledUpstream: {status: http.StatusConflict, sentence: Words{"The generation service asked us to wait until then; it is not called earlier.", "生成服务要求在此之前不再请求，因此不会提前重试。"}},
	CodeStillRunning:      {status: http.StatusGatewayTimeout, sentence: Words{"The job has not finished yet; it keeps running and can be read at its URL.", "任务尚未完成，仍在运行，可通过其 URL 查询。"}},
	CodeTooManyActive: {status: http.StatusTooManyRequests, sentence: Words{"You already have the maximum number of jobs waiting or running ({max}); cancel one, or wait until one has finished.", "您已有 {max} 个任务在等待或运行，达到上限；请取消其中一个，或等其中一个结束。"}, reasons: map[string]Words{
		"key": {"This API key already has its maximum number of jobs waiting or running ({max}); cancel one, or wait until one has finished.", "该 API 密钥已有 {max} 个任务在等待或运行，达到其上限；请取消其中一个，或等其中一个结束。"},
	}},
	CodeRateLimited: {status: http.StatusTooManyRequests, sentence: Words{"You have reached the limit for images and audio files, which is {max} per minute; try again in the next minute.", "已达到每分钟 {max} 个图片和音频的上限，请在下一分钟重试。"}, reasons: map[string]Words{
		"some":  {"You asked for {asked}, but you have only {left} of {max} per minute left; ask for fewer, or try again in the next minute.", "您请求了 {asked} 个，但每分钟的配额仅剩 {left} 个（共 {max} 个）；请减少数量，或在下一分钟重试。"},
		"never": {"You asked for {asked} at once, but the limit is {max} per minute; ask for fewer.", "您一次请求了 {asked} 个，但每分钟的上限为 {max} 个；请减少数量。"},
		"text":  {"You have reached the limit for texts, which is {max} per minute; try again in the next minute.", "已达到每分钟 {max} 条文本的上限，请在下一分钟重试。"},

		"key":       {"This API key has reached its limit for images and audio files, which is {max} per minute; try again in the next minute.", "该 API 密钥已达到其每分钟 {max} 个图片和音频的上限，请在下一分钟重试。"},
		"key_some":  {"You asked for {asked}, but this API key has only {left} of its {max} per minute left; ask for fewer, or try again in the next minute.", "您请求了 {asked} 个，但该 API 密钥每分钟的配额仅剩 {left} 个（共 {max} 个）；请减少数量，或在下一分钟重试。"},
		"key_never": {"You asked for {asked} at once, but the limit of this API key is {max} per minute; ask for fewer.", "您一次请求了 {asked} 个，但该 API 密钥每分钟的上限为 {max} 个；请减少数量。"},
		"key_text":  {"This API key has reached its limit for texts, which is {max} per minute; try again in the next minute.", "该 API 密钥已达到其每分钟 {max} 条文本的上限，请在下一分钟重试。"},
	}},
	CodeBudgetExceeded: {status: http.StatusPaymentRequired, sentence: Words{"The job may cost {asked} {currency}, but your account has only {left} of its {max} for this {period} left.", "该任务可能花费 {asked} {currency}，但预算仅剩 {left}（您账户的预算为 {max}，{period}）。"}, reasons: map[string]Words{
		"key":          {"The job may cost {asked} {currency}, but this API key has only {left} of its {max} for this {period} left.", "该任务可能花费 {asked} {currency}，但预算仅剩 {left}（该 API 密钥的预算为 {max}，{period}）。"},
		"unpriced":     {"Your account has a budget, and the model {model} has no price in {currency}; choose another model.", "您的账户设有预算，而模型 {model} 没有以 {currency} 计的价格，请选择其他模型。"},
		"key_unpriced": {"This API key has a budget, and the model {model} has no price in {currency}; choose another model.", "该 API 密钥设有预算，而模型 {model} 没有以 {currency} 计的价格，请选择其他模型。"},
	}},
	CodeQuotaExceeded: {status: http.StatusPaymentRequired, sentence: Words{"You have used today's quota for images and audio files, which is {max}; it resets at midnight UTC.", "今天 {max} 个图片和音频的配额已用完，将于 UTC 零点重置。"}, reasons: map[string]Words{
		"some":          {"You asked for {asked}, but you have only {left} of today's {max} left; ask for fewer, or wait until midnight UTC.", "您请求了 {asked} 个，但今天的配额仅剩 {left} 个（共 {max} 个）；请减少数量，或等到 UTC 零点。"},
		"never":         {"You asked for {asked} at once, but the limit is {max} per day; ask for fewer.", "您一次请求了 {asked} 个，但每天的上限为 {max} 个；请减少数量。"},
		"text":          {"You have used today's quota for texts, which is {max}; it resets at midnight UTC.", "今天 {max} 条文本的配额已用完，将于 UTC 零点重置。"},
		"key":           {"This API key has used its quota for images and audio files, which is {max} per day; it resets at midnight UTC.", "该 API 密钥今天 {max} 个图片和音频的配额已用完，将于 UTC 零点重置。"},
		"key_some":      {"You asked for {asked}, but this API key has only {left} of today's {max} left; ask for fewer, or wait until midnight UTC.", "您请求了 {asked} 个，但该 API 密钥今天的配额仅剩 {left} 个（共 {max} 个）；请减少数量，或等到 UTC 零点。"},
		"key_never":     {"You asked for {asked} at once, but the limit of this API key is {max} per day; ask for fewer.", "您一次请求了 {asked} 个，但该 API 密钥每天的上限为 {max} 个；请减少数量。"},
		"key_text":      {"This API key has used its quota for texts, which is {max} per day; it resets at midnight UTC.", "该 API 密钥今天 {max} 条文本的配额已用完，将于 UTC 零点重置。"},
		"address":       {"Your network address has used today's quota for images and audio files, {max}, which everyone at that address shares; it resets at midnight UTC.", "您所在网络地址今天 {max} 个图片和音频的配额已用完；该配额由此地址的所有用户共享，将于 UTC 零点重置。"},
		"address_some":  {"You asked for {asked}, but your network address has only {left} of today's {max} left, which everyone at that address shares; ask for fewer, or wait until midnight UTC.", "您请求了 {asked} 个，但您所在网络地址今天的共享配额仅剩 {left} 个（共 {max} 个）；请减少数量，或等到 UTC 零点。"},
		"address_never": {"You asked for {asked} at once, but the limit for your network address, which everyone at that address shares, is {max} per day; ask for fewer.", "您一次请求了 {asked} 个，但您所在网络地址的所有用户每天合计上限为 {max} 个；请减少数量。"},
		"address_text":  {"Your network address has used today's quota for texts, {max}, which everyone at that address shares; it resets at midnight UTC.", "您所在网络地址今天 {max} 条文本的配额已用完；该配额由此地址的所有用户共享，将于 UTC 零点重置。"},
	}},
	CodeQueueFull: {status: http.StatusServiceUnavailable, retryAfter: retryFull, sentence: Words{"The queue is full; try again later.", "任务队列已满，请稍后重试。"}},
	CodeStoreFull: {status: http.StatusServiceUnavailable, retryAfter: retryFull, sentence: Words{"The storage of the service is full; try again later.", "服务存储空间已满，请稍后重试。"}},
	CodeSignIn: {status: http.StatusUnauthorized, sentence: Words{"Sign in first.", "请先登录。"}, reasons: map[string]Words{
		"webhook": {"Sign in to use webhooks: the secret that signs them belongs to an account.", "请先登录再使用 webhook：签名密钥属于账户。"},
	}},
	CodeToken: {status: http.StatusUnauthorized, sentence: Words{"You are no longer signed in; sign in again.", "登录已失效，请重新登录。"}, reasons: map[string]Words{
		"key":     {"The API key or token is wrong, revoked or expired.", "API 密钥或令牌有误、已撤销或已过期。"},
		"program": {"The bearer token is neither an API key of this service, which begins with t2i_, nor a token of a sign-in.", "该令牌既不是本服务的 API 密钥（以 t2i_ 开头），也不是登录令牌。"},
	}},
	CodeAPIKey: {status: http.StatusUnauthorized, sentence: Words{"This API key does not exist or was revoked.", "该 API 密钥不存在或已被吊销。"}, reasons: map[string]Words{
		"scheme":    {"The API key must be sent as Authorization: Bearer t2i_….", "API 密钥必须以 Authorization: Bearer t2i_… 的形式发送。"},
		"malformed": {"This API key is incomplete or mistyped; copy it again.", "该 API 密钥不完整或有误，请重新复制。"},
		"expired":   {"This API key has expired; create another one.", "该 API 密钥已过期，请创建新的密钥。"},
		"disabled":  {"The account of this API key is disabled.", "该 API 密钥所属的账户已被禁用。"},
	}},
	CodeScope: {status: http.StatusForbidden, sentence: Words{"This API key does not have the scope {scope} that this request requires; it has: {has}.", "该 API 密钥缺少此请求所需的权限 {scope}；它具有的权限：{has}。"}, reasons: map[string]Words{
		"admin": {"Only the operator creates keys with the scope admin: POST /api/admin/keys with ADMIN_KEY.", "只有管理员能创建具有 admin 权限的密钥：使用 ADMIN_KEY 请求 POST /api/admin/keys。"},
	}},
	CodeSessionRequired: {status: http.StatusForbidden, sentence: Words{"An API key can neither manage API keys nor change the account; sign in as the member instead.", "API 密钥不能管理 API 密钥，也不能更改账户；请改为登录账户。"}, reasons: map[string]Words{
		"admin": {"An API key cannot manage the keys of the operator; use ADMIN_KEY.", "API 密钥不能管理管理员的密钥，请使用 ADMIN_KEY。"},
	}},
	CodeTooManyKeys:       {status: http.StatusConflict, sentence: Words{"There are {max} API keys already, the maximum; revoke one first.", "已有 {max} 个 API 密钥，达到上限；请先吊销其中一个。"}},
	CodeWrongCredentials:  {status: http.StatusUnauthorized, sentence: Words{"Wrong email address or password.", "邮箱或密码错误。"}},
	CodeWrongPassword:     {status: http.StatusBadRequest, sentence: Words{"Wrong password.", "密码错误。"}},
	CodeAccountDisabled:   {status: http.StatusUnauthorized, sentence: Words{"This account is disabled.", "账户已被禁用。"}},
	CodeEmailTaken:        {status: http.StatusBadRequest, sentence: Words{"An account with this email address already exists.", "该邮箱已被注册。"}},
	CodeResetToken:        {status: http.StatusBadRequest, sentence: Words{"This link is no longer valid: it was used, has expired, or was replaced by a newer one.", "链接已失效：已被使用、已过期或已被新的链接取代。"}},
	CodeVerificationToken: {status: http.StatusBadRequest, sentence: Words{"This link is no longer valid: it was used, has expired, or was replaced by a newer one. If your email address is not verified yet, sign in and request another link.", "链接已失效：已被使用、已过期或已被新的链接取代。如果邮箱尚未验证，请登录后重新获取链接。"}},
	CodeEmailUnverified:   {status: http.StatusForbidden, sentence: Words{"Verify your email address first: open the link in the email that was sent to you, or request another one in your account (POST /api/auth/resend-verification).", "请先验证邮箱：打开验证邮件中的链接，或在账户中重新发送（POST /api/auth/resend-verification）。"}},
	CodeTooManyAttempts:   {status: http.StatusTooManyRequests, sentence: Words{"Too many attempts; try again later.", "尝试次数过多，请稍后重试。"}},
	CodeFeedbackTooSoon:   {status: http.StatusBadRequest, sentence: Words{"You have just sent feedback; you can send more in {minutes} min.", "您刚刚提交过反馈，请在 {minutes} 分钟后再提交。"}},
	CodeImageNotFound:     {status: http.StatusNotFound, sentence: Words{"The saved image does not exist or has expired.", "保存的图片不存在或已过期。"}},
	CodeInvalidImage: {status: http.StatusBadRequest, sentence: Words{"The image cannot be saved.", "图片无法保存。"}, reasons: map[string]Words{
		"encoding":   {"The image cannot be decoded: data must be base64.", "无法解码图片：data 必须是 base64。"},
		"type":       {"The data is not a PNG, JPEG, or WebP image.", "数据不是 PNG、JPEG 或 WebP 图片。"},
		"damaged":    {"The image is corrupt or truncated.", "图片已损坏或不完整。"},
		"dimensions": {"The image has too many pixels.", "图片像素过多。"},
	}},
	CodeImageTooLarge:     {status: http.StatusBadRequest, sentence: Words{"The image is larger than {max} bytes and cannot be saved.", "图片超过 {max} 字节，无法保存。"}},
	CodeSignInAgain:       {status: http.StatusForbidden, sentence: Words{"Sign in again first: this requires a sign-in within the last ten minutes.", "请先重新登录：此操作要求在最近十分钟内登录过。"}},
	CodeGoogleDisabled:    {status: http.StatusUnauthorized, sentence: Words{"Sign-in with Google is not configured on this site.", "此站点未配置 Google 登录。"}},
	CodeGoogleUnavailable: {status: http.StatusServiceUnavailable, sentence: Words{"Google cannot be reached at the moment; try again soon, or sign in with a password.", "暂时无法连接 Google，请稍后重试或使用密码登录。"}},
	CodeGoogleConfig:      {status: http.StatusUnauthorized, sentence: Words{"Google rejects the configuration of this site; its operator must correct it.", "Google 拒绝了此站点的登录配置，需要站点管理员处理。"}},
	CodeGoogleState:       {status: http.StatusUnauthorized, sentence: Words{"This sign-in with Google was not started in this browser, was already used, or took too long. Start again.", "此次 Google 登录并非由此浏览器发起、已被使用或已超时，请重新开始。"}},
	CodeGoogleRefused:     {status: http.StatusUnauthorized, sentence: Words{"Google rejected this sign-in: it was already used or has expired. Start again.", "Google 拒绝了此次登录：已被使用或已过期，请重新开始。"}},
	CodeGoogleToken:       {status: http.StatusUnauthorized, sentence: Words{"The Google ID token is invalid. Start again.", "Google 登录凭证无效，请重新开始。"}},
	CodeGoogleUnverified:  {status: http.StatusUnauthorized, sentence: Words{"Google has not verified the email address of this account. Verify it with Google, or sign up with a password.", "Google 尚未验证该账户的邮箱。请先在 Google 验证邮箱，或使用密码注册。"}},
	CodeGoogleLinked:      {status: http.StatusConflict, sentence: Words{"This Google account is linked to another account.", "该 Google 账户已关联到另一个账户。"}},
	CodeOtherGoogle:       {status: http.StatusConflict, sentence: Words{"This account is already linked to another Google account.", "该账户已关联到另一个 Google 账户。"}},
	CodeLinkRequired:      {status: http.StatusUnauthorized, sentence: Words{"An account with this email address and a password already exists. Sign in with the password, or reset it, and then link Google in the account.", "该邮箱已有使用密码的账户。请先用密码登录（或重置密码），再在账户中关联 Google。"}},
	CodePasswordRequired:  {status: http.StatusConflict, sentence: Words{"This account has no password, so Google is the only way to sign in. Set a password first, with a password reset.", "该账户没有密码，Google 是唯一的登录方式。请先通过重置密码来设置密码。"}},
	CodeSubmissionsStopped: {status: http.StatusServiceUnavailable, sentence: Words{"The operator has stopped accepting new jobs. Jobs that were already accepted keep running; try again later.", "管理员已暂停接收新任务，已接收的任务会继续执行，请稍后重试。"}, reasons: map[string]Words{
		"reason": {"The operator has stopped accepting new jobs: {reason}. Jobs that were already accepted keep running; try again later.", "管理员已暂停接收新任务：{reason}。已接收的任务会继续执行，请稍后重试。"},
	}},
	CodeUnavailable: {status: http.StatusServiceUnavailable, retryAfter: retryUnavailable, sentence: Words{"The service is unavailable at the moment; try again soon.", "服务暂时不可用，请稍后重试。"}, reasons: map[string]Words{
		"starting": {"The service is starting; try again soon.", "服务正在启动，请稍后重试。"},
		"draining": {"This process is about to stop; send requests to another one.", "该进程即将停止，请将请求发往其他进程。"},
		"streams":  {"The service has too many event streams open; try again soon.", "服务打开的事件流已达上限，请稍后重试。"},
		"backup":   {"Another backup is in progress; try again when it has finished.", "正在进行另一个备份，请待其完成后重试。"},
		"busy":     {"Too many submissions are waiting to be stored; try again soon.", "等待写入存储的提交过多，请稍后重试。"},
	}},
	CodeInternal: {status: http.StatusInternalServerError, sentence: Words{"Internal error.", "服务内部错误。"}},
}

// definitionOf returns the HTTP response for a problem. The codes of failed jobs are defined in pkg/job; the problem sets
// their status.
func definitionOf(p *Problem) definition {
	d, ok := codes[p.Code]
	if !ok {
		d = definition{status: http.StatusBadGateway, sentence: Words{job.FailureSentence(p.Code, job.English), job.FailureSentence(p.Code, job.Chinese)}}
	}
	if e := p.Failed; e != nil {
		d.sentence = Words{e.Sentence(job.English), e.Sentence(job.Chinese)}
	}
	if w, ok := d.reasons[p.Reason]; ok {
		d.sentence = w
	}
	if p.Status != 0 {
		d.status = p.Status
	}
	if p.RetryAfter != 0 {
		d.retryAfter = p.RetryAfter
	}
	return d
}
