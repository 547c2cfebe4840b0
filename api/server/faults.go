package server

import (
	"maps"
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The codes of errors, beside those of a failed job.
const (
	codeInvalid           = "invalid_request"
	codeInvalidJSON       = "invalid_json"
	codeNoBody            = "body_required"
	codeTooLarge          = "body_too_large"
	codeMediaType         = "unsupported_media_type"
	codeInvalidKey        = "invalid_idempotency_key"
	codeKeyReused         = "idempotency_key_reused"
	codeInvalidCursor     = "invalid_cursor"
	codeIdentity          = "identity_required"
	codeCrossOrigin       = "cross_origin"
	codeHost              = "host_not_allowed"
	codeNotFound          = "not_found"
	codeMediaNotFound     = "media_not_found"
	codeRange             = "range_not_satisfiable"
	codeMethod            = "method_not_allowed"
	codeInvalidPath       = "invalid_path"
	codeRequestTimeout    = "request_timeout"
	codeUploadTooSlow     = "upload_too_slow"
	codeTooManyUploads    = "too_many_uploads"
	codeTooManyStreams    = "too_many_streams"
	codeFinished          = "already_finished"
	codeNotFinished       = "not_finished"
	codeNotRetryable      = "not_retryable"
	codeAdminOff          = "admin_disabled"
	codeAdminKey          = "admin_key_required"
	codeTooManyGuesses    = "too_many_guesses"
	codeThrottledUpstream = "upstream_asked_to_wait"
	codeStillRunning      = "still_running"
	codeTooManyActive     = "too_many_active_jobs"
	codeRateLimited       = "rate_limited"
	codeQuotaExceeded     = "quota_exceeded"
	codeQueueFull         = "queue_full"
	codeStoreFull         = "store_full"
	codeSignIn            = "sign_in_required"
	codeToken             = "invalid_token"
	codeWrongLogin        = "wrong_credentials"
	codePassword          = "wrong_password"
	codeDisabled          = "account_disabled"
	codeEmailTaken        = "email_taken"
	codeReset             = "invalid_reset_token"
	codeVerification      = "invalid_verification_token"
	codeEmailUnverified   = "email_not_verified"
	codeTooManyAttempts   = "too_many_attempts"
	codeFeedbackSoon      = "feedback_too_soon"
	codeImageNotFound     = "image_not_found"
	codePicture           = "invalid_picture"
	codePictureTooLarge   = "picture_too_large"
	codeStale             = "sign_in_again"
	codeGoogleOff         = "google_disabled"
	codeGoogleAway        = "google_unavailable"
	codeGoogleSetup       = "google_misconfigured"
	codeGoogleState       = "google_state"
	codeGoogleCode        = "google_refused"
	codeGoogleToken       = "google_token"
	codeGoogleEmail       = "google_email_unverified"
	codeGoogleLinked      = "google_linked_elsewhere"
	codeGoogleOther       = "other_google_linked"
	codeLinkRequired      = "link_required"
	codeNoPassword        = "password_required"
	codeNotAccepting      = "submissions_stopped"
	codeUnavailable       = "unavailable"
	codeInternal          = job.CodeInternal
)

// fault is what an error code means over HTTP.
type fault struct {
	status   int
	sentence words
}

// faults is the table of all codes.
var faults = map[string]fault{
	codeInvalid:           {http.StatusBadRequest, words{"The request is not valid.", "请求无效。"}},
	codeInvalidJSON:       {http.StatusBadRequest, words{"The body is not valid JSON; the fault is at byte {offset}.", "请求正文不是有效的 JSON，错误位于第 {offset} 字节。"}},
	codeNoBody:            {http.StatusBadRequest, words{"The request has no body; send a JSON object.", "请求没有正文，请发送一个 JSON 对象。"}},
	codeTooLarge:          {http.StatusRequestEntityTooLarge, words{"The body is larger than {max} bytes.", "请求正文超过 {max} 字节。"}},
	codeMediaType:         {http.StatusUnsupportedMediaType, words{"Send the body as application/json, without compression.", "请以 application/json 发送未压缩的正文。"}},
	codeInvalidKey:        {http.StatusBadRequest, words{"Idempotency-Key must be 1 to 255 visible ASCII characters, once.", "Idempotency-Key 只能出现一次，且须为 1 至 255 个可见 ASCII 字符。"}},
	codeKeyReused:         {http.StatusUnprocessableEntity, words{"This Idempotency-Key was used for another request.", "该 Idempotency-Key 已用于另一个请求。"}},
	codeInvalidCursor:     {http.StatusBadRequest, words{"The cursor is not one that this list has given out.", "游标无效，不是由此列表给出的。"}},
	codeIdentity:          {http.StatusUnauthorized, words{"Only a known caller has a list of jobs: open the page, which sets a cookie, or sign in.", "只有可识别的访问者才有任务列表：请先打开网页以获取 cookie，或登录。"}},
	codeCrossOrigin:       {http.StatusForbidden, words{"Requests from other sites are not accepted.", "不接受来自其他网站的请求。"}},
	codeHost:              {http.StatusMisdirectedRequest, words{"This server does not answer for the host name of the request; the operator can allow it with PUBLIC_HOSTS.", "此服务不接受请求中的主机名；管理员可通过 PUBLIC_HOSTS 允许该主机名。"}},
	codeNotFound:          {http.StatusNotFound, words{"There is no such job, or it is no longer kept.", "没有该任务，或其已不再保留。"}},
	codeMediaNotFound:     {http.StatusNotFound, words{"The job has no such file, or has not made it yet.", "该任务没有此文件，或尚未生成。"}},
	codeRange:             {http.StatusRequestedRangeNotSatisfiable, words{"The file does not have the range that was asked for.", "文件不包含所请求的范围。"}},
	codeMethod:            {http.StatusMethodNotAllowed, words{"This address does not take {method}.", "该地址不支持 {method}。"}},
	codeInvalidPath:       {http.StatusBadRequest, words{"The path of the request is ambiguous; do not percent-encode slashes, dots or the fixed parts of a path.", "请求路径有歧义，请勿对斜杠、点号或路径的固定部分进行百分号编码。"}},
	codeRequestTimeout:    {http.StatusRequestTimeout, words{"The body did not arrive in time.", "请求正文未能及时送达。"}},
	codeUploadTooSlow:     {http.StatusRequestTimeout, words{"The upload arrived more slowly than {min} KiB per second and was stopped.", "上传速度低于每秒 {min} KiB，已中止。"}},
	codeTooManyUploads:    {http.StatusTooManyRequests, words{"You are already uploading {max} images; wait until one of the uploads has finished.", "您已有 {max} 张图片正在上传，请等其中一张上传完成后再试。"}},
	codeTooManyStreams:    {http.StatusTooManyRequests, words{"You already have {max} event streams open, the maximum; close some of them, follow all jobs on one stream with GET /api/events, or poll with ?wait=.", "您已打开 {max} 个事件流，达到上限；请关闭部分事件流，或用 GET /api/events 在一个流中接收所有任务的事件，或用 ?wait= 轮询。"}},
	codeFinished:          {http.StatusConflict, words{"The job has ended already.", "任务已经结束。"}},
	codeNotFinished:       {http.StatusConflict, words{"The job has not ended yet; cancel it first.", "任务尚未结束，请先取消。"}},
	codeNotRetryable:      {http.StatusConflict, words{"Only a job that failed or was canceled can be done again.", "只有失败或已取消的任务才能重试。"}},
	codeAdminOff:          {http.StatusForbidden, words{"The operator's routes are switched off; set ADMIN_KEY to use them.", "运维接口已关闭，设置 ADMIN_KEY 后方可使用。"}},
	codeAdminKey:          {http.StatusUnauthorized, words{"Send ADMIN_KEY, as Authorization: Bearer or X-Admin-Key; none came, or a wrong one.", "请以 Authorization: Bearer 或 X-Admin-Key 发送 ADMIN_KEY：未收到密钥或密钥错误。"}},
	codeTooManyGuesses:    {http.StatusTooManyRequests, words{"Too many wrong keys came from this address; try again later.", "该地址发送的错误密钥过多，请稍后重试。"}},
	codeThrottledUpstream: {http.StatusConflict, words{"The generation service asked to be left alone until then; it is not asked earlier.", "生成服务要求在此之前不再请求，不会提前尝试。"}},
	codeStillRunning:      {http.StatusGatewayTimeout, words{"The job is not finished yet; it goes on and can be found under its address.", "任务尚未完成，仍在继续，可通过其地址查询。"}},
	codeTooManyActive:     {http.StatusTooManyRequests, words{"You already have {max} jobs waiting or running, as many as you may at once; cancel one, or wait until one has ended.", "您已有 {max} 个任务在等待或运行，达到同时进行的上限；请取消其中一个，或等其中一个结束。"}},
	codeRateLimited:       {http.StatusTooManyRequests, words{"The limit for images and audio ({max} per minute) is reached; try again in the next minute.", "已达到每分钟 {max} 项（图片和语音）的上限，请等到下一分钟。"}},
	codeQuotaExceeded:     {http.StatusPaymentRequired, words{"Today's quota for images and audio ({max}) is used up; it resets at midnight UTC.", "今天 {max} 项（图片和语音）的额度已用完，世界标准时间零点后恢复。"}},
	codeQueueFull:         {http.StatusServiceUnavailable, words{"Too many jobs are waiting; try again later.", "等待中的任务过多，请稍后重试。"}},
	codeStoreFull:         {http.StatusServiceUnavailable, words{"The service has no room to store anything more; try again later.", "服务存储空间已满，请稍后重试。"}},
	codeSignIn:            {http.StatusUnauthorized, words{"You have to sign in for this.", "请先登录。"}},
	codeToken:             {http.StatusUnauthorized, words{"You are no longer signed in; please sign in again.", "登录已失效，请重新登录。"}},
	codeWrongLogin:        {http.StatusUnauthorized, words{"The e-mail address or the password is wrong.", "邮箱或密码错误。"}},
	codePassword:          {http.StatusBadRequest, words{"The password is wrong.", "密码错误。"}},
	codeDisabled:          {http.StatusUnauthorized, words{"This account is disabled.", "账户已被禁用。"}},
	codeEmailTaken:        {http.StatusBadRequest, words{"This e-mail address has an account already.", "该邮箱已被注册。"}},
	codeReset:             {http.StatusBadRequest, words{"This link is not valid any more: it was used, has expired, or a later one was asked for.", "链接已失效：已被使用、已过期或已有更新的链接。"}},
	codeVerification:      {http.StatusBadRequest, words{"This link is not valid any more: it was used, has expired, or a later one was sent. If your address is not confirmed yet, sign in and ask for another link.", "链接已失效：已被使用、已过期或已有更新的链接。如邮箱尚未确认，请登录后重新获取链接。"}},
	codeEmailUnverified:   {http.StatusForbidden, words{"Confirm your e-mail address first: open the link in the e-mail that was sent to you, or have another one sent in your account (POST /api/auth/resend-verification).", "请先确认您的邮箱：打开我们发送给您的邮件中的链接，或在账户中重新发送（POST /api/auth/resend-verification）。"}},
	codeTooManyAttempts:   {http.StatusTooManyRequests, words{"Too many attempts; please try again later.", "尝试次数过多，请稍后重试。"}},
	codeFeedbackSoon:      {http.StatusBadRequest, words{"Thank you for your feedback just now; you can give more in {minutes} min.", "刚刚已收到您的反馈，请在 {minutes} 分钟后再提交。"}},
	codeImageNotFound:     {http.StatusNotFound, words{"You have not saved such a picture, or it is no longer kept.", "您没有保存该图片，或其已不再保留。"}},
	codePicture:           {http.StatusBadRequest, words{"The picture cannot be saved.", "图片无法保存。"}},
	codePictureTooLarge:   {http.StatusBadRequest, words{"The picture is larger than {max} bytes and cannot be saved.", "图片超过 {max} 字节，无法保存。"}},
	codeStale:             {http.StatusForbidden, words{"Please sign in again first; this needs a sign-in of the last ten minutes.", "请先重新登录；此操作需要在最近十分钟内登录过。"}},
	codeGoogleOff:         {http.StatusUnauthorized, words{"Signing in with Google is not set up here.", "此站点未配置 Google 登录。"}},
	codeGoogleAway:        {http.StatusServiceUnavailable, words{"Google cannot be reached at the moment; try again soon, or sign in with a password.", "暂时无法连接 Google，请稍后重试或使用密码登录。"}},
	codeGoogleSetup:       {http.StatusUnauthorized, words{"Google does not accept how signing in is set up here; the operator of this site has to act.", "Google 不接受此站点的登录配置，需要站点管理员处理。"}},
	codeGoogleState:       {http.StatusUnauthorized, words{"This sign-in with Google was not begun here, was used already or has taken too long. Please begin again.", "此次 Google 登录并非在此发起、已被使用或已超时，请重新开始。"}},
	codeGoogleCode:        {http.StatusUnauthorized, words{"Google did not accept this sign-in: it was used already or has expired. Please begin again.", "Google 未接受此次登录：已被使用或已过期，请重新开始。"}},
	codeGoogleToken:       {http.StatusUnauthorized, words{"What Google is said to have signed is not valid here. Please begin again.", "Google 登录凭证无效，请重新开始。"}},
	codeGoogleEmail:       {http.StatusUnauthorized, words{"Google has not verified the e-mail address of this account. Verify it with Google, or sign up with a password.", "Google 尚未验证该账户的邮箱。请先在 Google 验证邮箱，或使用密码注册。"}},
	codeGoogleLinked:      {http.StatusConflict, words{"This Google account is linked to another account here.", "该 Google 账户已关联到此处的另一个账户。"}},
	codeGoogleOther:       {http.StatusConflict, words{"The account is linked to another Google account already.", "该账户已关联到另一个 Google 账户。"}},
	codeLinkRequired:      {http.StatusUnauthorized, words{"This e-mail address has an account with a password. Sign in with the password, or set a new one, and then link Google in the account.", "该邮箱已有使用密码的账户。请先用密码登录（或重设密码），再在账户中关联 Google。"}},
	codeNoPassword:        {http.StatusConflict, words{"Without a password Google is the only way into this account. Set a password first, by way of a forgotten one.", "该账户没有密码，Google 是唯一的登录方式。请先通过“忘记密码”设置密码。"}},
	codeNotAccepting:      {http.StatusServiceUnavailable, words{"The operator has stopped accepting new jobs for now. Jobs that were accepted before go on; try again later.", "管理员已暂停接收新任务，已接收的任务会继续执行，请稍后重试。"}},
	codeUnavailable:       {http.StatusServiceUnavailable, words{"The service is not available at the moment; try again soon.", "服务暂时不可用，请稍后重试。"}},
	codeInternal:          {http.StatusInternalServerError, words{"Something went wrong on our side.", "服务内部出错。"}},
}

// reasons are the sentences of codes that can have several reasons, as "code/reason".
var reasons = map[string]words{
	codeInvalidJSON + "/encoding":        {"The body is not valid UTF-8; the fault is at byte {offset}.", "请求正文不是有效的 UTF-8，错误位于第 {offset} 字节。"},
	codeInvalidJSON + "/object":          {"The body must be one JSON object.", "请求正文必须是一个 JSON 对象。"},
	codeInvalidJSON + "/trailing":        {"Something follows the JSON object, at byte {offset}.", "JSON 对象之后还有多余内容，位于第 {offset} 字节。"},
	codeInvalidJSON + "/depth":           {"The body is nested too deeply.", "请求正文嵌套过深。"},
	codeNotFound + "/letter":             {"There is no such dead letter: it was replayed, purged or is no longer kept.", "没有该死信：已重放、已清除或不再保留。"},
	codeNotRetryable + "/letter":         {"No job can be made of this dead letter, since it cannot be read.", "该死信无法读取，不能据此新建任务。"},
	codeNotFound + "/kind":               {"There is no such kind of job.", "没有此类任务。"},
	codeNotFound + "/switch":             {"There is no such switch.", "没有该开关。"},
	codeNotAccepting + "/reason":         {"The operator has stopped accepting new jobs for now: {reason}. Jobs that were accepted before go on; try again later.", "管理员已暂停接收新任务：{reason}。已接收的任务会继续执行，请稍后重试。"},
	codeNotFound + "/upstream":           {"There is no such upstream.", "没有该上游服务。"},
	codeNotFound + "/feedback":           {"There is no such feedback, or it was deleted.", "没有该反馈，或其已被删除。"},
	codeNotFound + "/path":               {"Not Found", "Not Found"},
	codeRateLimited + "/some":            {"You asked for {asked}, and only {left} of your {max} a minute are left; ask for fewer, or wait until the minute is over.", "您请求了 {asked} 项，仅剩 {left} 项（每分钟 {max} 项）；请减少数量，或等到下一分钟。"},
	codeRateLimited + "/never":           {"You asked for {asked} at once, and may ask for no more than {max} a minute; ask for fewer.", "您一次请求了 {asked} 项，而每分钟最多 {max} 项，请减少数量。"},
	codeQuotaExceeded + "/some":          {"You asked for {asked}, and only {left} of today's {max} are left; ask for fewer, or wait until midnight UTC.", "您请求了 {asked} 项，今天仅剩 {left} 项（共 {max} 项）；请减少数量，或等到世界标准时间零点。"},
	codeQuotaExceeded + "/never":         {"You asked for {asked} at once, and may ask for no more than {max} a day; ask for fewer.", "您一次请求了 {asked} 项，而每天最多 {max} 项，请减少数量。"},
	codeRateLimited + "/text":            {"The limit for texts ({max} per minute) is reached; try again in the next minute.", "已达到每分钟 {max} 条文本的上限，请等到下一分钟。"},
	codeQuotaExceeded + "/text":          {"Today's quota for texts ({max}) is used up; it resets at midnight UTC.", "今天 {max} 条文本的额度已用完，世界标准时间零点后恢复。"},
	codeQuotaExceeded + "/address":       {"Today's quota for images and audio ({max}) of your network address is used up; everyone at that address shares it. It resets at midnight UTC.", "您所在网络地址今天 {max} 项（图片和语音）的额度已用完；该额度由此地址的所有用户共享，世界标准时间零点后恢复。"},
	codeQuotaExceeded + "/address_some":  {"You asked for {asked}, and only {left} of today's {max} for your network address are left; everyone at that address shares them. Ask for fewer, or wait until midnight UTC.", "您请求了 {asked} 项，您所在网络地址的所有用户今天仅剩 {left} 项（共 {max} 项）；请减少数量，或等到世界标准时间零点。"},
	codeQuotaExceeded + "/address_never": {"You asked for {asked} at once, and everyone at your network address together may ask for no more than {max} a day; ask for fewer.", "您一次请求了 {asked} 项，而您所在网络地址的所有用户每天合计最多 {max} 项，请减少数量。"},
	codeQuotaExceeded + "/address_text":  {"Today's quota for texts ({max}) of your network address is used up; everyone at that address shares it. It resets at midnight UTC.", "您所在网络地址今天 {max} 条文本的额度已用完；该额度由此地址的所有用户共享，世界标准时间零点后恢复。"},
	codeNotFinished + "/picture":         {"The job has not ended yet; its pictures can be saved once it has.", "任务尚未结束，结束后方可保存图片。"},
	codePicture + "/encoding":            {"The picture cannot be read: data must be base64.", "无法读取图片：data 必须是 base64。"},
	codePicture + "/type":                {"The data is no PNG, JPEG or WebP picture.", "数据不是 PNG、JPEG 或 WebP 图片。"},
	codePicture + "/damaged":             {"The picture is damaged or cut off.", "图片已损坏或不完整。"},
	codePicture + "/dimensions":          {"The picture has too many pixels.", "图片像素过多。"},
	codeUnavailable + "/starting":        {"The service is starting; try again soon.", "服务正在启动，请稍后重试。"},
	codeUnavailable + "/draining":        {"This process is about to stop; send requests to another one.", "该进程即将停止，请将请求发往其他进程。"},
	codeTooManyStreams + "/wait":         {"You already have {max} requests waiting for a job, the maximum; let some of them end, or follow all jobs on one stream with GET /api/events.", "您已有 {max} 个请求在等待任务，达到上限；请等其中一些结束，或用 GET /api/events 在一个流中接收所有任务的事件。"},
	codeUnavailable + "/streams":         {"The service has as many event streams open as it can; try again soon.", "服务打开的事件流已达上限，请稍后重试。"},
	codeUnavailable + "/backup":          {"Another backup is being made; try again when it is done.", "正在进行另一个备份，请待其完成后重试。"},
	codeUnavailable + "/busy":            {"Too many submissions are waiting to be stored; try again soon.", "等待写入存储的提交过多，请稍后重试。"},
}

// faultOf returns what a problem means over HTTP. The codes of failed jobs are theirs; their status is the problem's.
func faultOf(p *problem) fault {
	f, ok := faults[p.code]
	if !ok {
		f = fault{http.StatusBadGateway, words{job.FailureSentence(p.code, job.English), job.FailureSentence(p.code, job.Chinese)}}
	}
	if e := p.failed; e != nil {
		f.sentence = words{e.Sentence(job.English), e.Sentence(job.Chinese)}
	}
	if w, ok := reasons[p.code+"/"+p.reason]; ok {
		f.sentence = w
	}
	if p.status != 0 {
		f.status = p.status
	}
	return f
}

// titles are the names of statuses in Chinese; English has those of the standard.
var titles = map[int]string{
	http.StatusBadRequest:                   "请求无效",
	http.StatusUnauthorized:                 "需要身份",
	http.StatusPaymentRequired:              "额度不足",
	http.StatusForbidden:                    "禁止访问",
	http.StatusNotFound:                     "未找到",
	http.StatusMethodNotAllowed:             "方法不允许",
	http.StatusRequestTimeout:               "请求超时",
	http.StatusConflict:                     "状态冲突",
	http.StatusRequestEntityTooLarge:        "正文过大",
	http.StatusUnsupportedMediaType:         "不支持的媒体类型",
	http.StatusRequestedRangeNotSatisfiable: "范围无效",
	http.StatusMisdirectedRequest:           "请求目标错误",
	http.StatusUnprocessableEntity:          "无法处理",
	http.StatusTooManyRequests:              "请求过多",
	http.StatusInternalServerError:          "内部错误",
	http.StatusBadGateway:                   "上游错误",
	http.StatusServiceUnavailable:           "服务不可用",
	http.StatusGatewayTimeout:               "等待超时",
}

func title(status int, lang job.Lang) string {
	if t, ok := titles[status]; ok && lang == job.Chinese {
		return t
	}
	return http.StatusText(status)
}

// wants are the words for what a field of the wrong type must be.
var wants = map[string]words{
	"string":  {"a text", "文本"},
	"integer": {"a whole number", "整数"},
	"number":  {"a number", "数字"},
	"boolean": {"true or false", "true 或 false"},
	"object":  {"an object", "对象"},
	"array":   {"a list", "列表"},
}

// fieldSentence returns what is wrong with one field.
func fieldSentence(field job.FieldError, lang job.Lang) string {
	if want, ok := wants[field.Args["want"]]; ok {
		args := maps.Clone(field.Args)
		args["want"] = want.in(lang)
		field.Args = args
	}
	return field.Sentence(lang)
}
