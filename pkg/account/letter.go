package account

import (
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// resetLetter is the letter with the link of a password reset.
var resetLetter = map[job.Lang]struct{ subject, text string }{
	job.English: {"Set a new password", `Hello,

somebody, most likely you, wants to set a new password for your account at Text2Image Audio. Open this address to do so:

{link}

It works once and for 24 hours. If you did not ask for it, do nothing: your password stays as it is.
`},
	job.Chinese: {"设置新密码", `您好，

有人（很可能是您本人）请求为您在 Text2Image Audio 的账户设置新密码。请打开以下地址：

{link}

该链接只能使用一次，24 小时内有效。如果不是您本人的请求，请忽略此邮件，您的密码不会改变。
`},
}

// ResetLetter returns the subject and the text of the letter with the link of a password reset.
func ResetLetter(link string, lang job.Lang) (subject, text string) {
	l, ok := resetLetter[lang]
	if !ok {
		l = resetLetter[job.English]
	}
	return l.subject, strings.ReplaceAll(l.text, "{link}", link)
}
