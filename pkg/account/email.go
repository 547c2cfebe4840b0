package account

import (
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// email is the template of an email in every language. {link} is replaced by the link.
type email map[job.Lang]struct{ subject, text string }

// render returns the email in a language, or in English if there is none.
func (e email) render(lang job.Lang, link string) (subject, text string) {
	template, ok := e[lang]
	if !ok {
		template = e[job.English]
	}
	return template.subject, strings.ReplaceAll(template.text, "{link}", link)
}

// ResetEmail returns the subject and text of the email with the link of a password reset.
func ResetEmail(link string, lang job.Lang) (subject, text string) {
	return resetEmail.render(lang, link)
}

var resetEmail = email{
	job.English: {"Set a new password", `Hello,

We received a request to set a new password for your Text2Image Audio account. To choose one, open this link:

{link}

The link works once and expires in 24 hours. If you did not ask for it, ignore this email: your password stays the same.
`},
	job.Chinese: {"设置新密码", `您好！

我们收到了为您的 Text2Image Audio 账户设置新密码的请求。请打开以下链接：

{link}

该链接仅可使用一次，24 小时内有效。如果这不是您本人的操作，请忽略此邮件，您的密码不会改变。
`},
}

// VerificationEmail returns the subject and text of the email with the link that confirms an address.
func VerificationEmail(link string, lang job.Lang) (subject, text string) {
	return verificationEmail.render(lang, link)
}

var verificationEmail = email{
	job.English: {"Confirm your email address", `Hello,

A Text2Image Audio account was created with this address. If that was you, open this link to confirm it:

{link}

The link works once and expires in 24 hours. If it was not you, ignore this email: without the confirmation, the account cannot be used to create anything.
`},
	job.Chinese: {"确认您的邮箱地址", `您好！

有人使用此邮箱注册了 Text2Image Audio 账户。如果是您本人，请打开以下链接确认邮箱：

{link}

该链接仅可使用一次，24 小时内有效。如果这不是您本人的操作，请忽略此邮件：邮箱未确认前，该账户无法生成任何内容。
`},
}

// Notice is a change of an account that its owner is notified of.
type Notice string

// The notices.
const (
	NoticePassword Notice = "password" // the password was changed
	NoticeGoogle   Notice = "google"   // a Google account was linked
)

// NoticeEmail returns the subject and text of the email about a change.
func NoticeEmail(about Notice, lang job.Lang) (subject, text string) {
	return noticeEmails[about].render(lang, "")
}

// noticeEmails contain no link, so that users do not get used to following one.
var noticeEmails = map[Notice]email{
	NoticePassword: {
		job.English: {"Your password was changed", `Hello,

The password of your Text2Image Audio account was changed just now. All existing sessions have been signed out.

If that was you, there is nothing to do. If it was not, open the page, choose "Forgot the password?" and set a new password.
`},
		job.Chinese: {"您的密码已修改", `您好！

您的 Text2Image Audio 账户密码刚刚已修改，使用旧密码的登录均已失效。

如果是您本人的操作，请忽略此邮件。否则，请打开网页，点击“忘记密码？”重新设置密码。
`},
	},
	NoticeGoogle: {
		job.English: {"A Google account was linked to your account", `Hello,

A Google account was linked to your Text2Image Audio account just now and can be used to sign in.

If that was you, there is nothing to do. If it was not, open the page, choose "Forgot the password?" and set a new password: this signs out all sessions and removes the link.
`},
		job.Chinese: {"您的账户已关联 Google 账户", `您好！

您的 Text2Image Audio 账户刚刚关联了一个 Google 账户，今后可以用它登录。

如果是您本人的操作，请忽略此邮件。否则，请打开网页，点击“忘记密码？”重新设置密码：所有登录都会失效，该关联也会被解除。
`},
	},
}
