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

// verificationEmail is the e-mail with the link that confirms an address.
var verificationEmail = map[job.Lang]struct{ subject, text string }{
	job.English: {"Confirm your e-mail address", `Hello,

an account at Text2Image Audio was made with this address. If that was you, open this link and confirm the address:

{link}

It works once and for 24 hours. If it was not you, do nothing: without the confirmation the account cannot be used to create anything.
`},
	job.Chinese: {"确认您的邮箱地址", `您好，

有人用此邮箱在 Text2Image Audio 注册了账户。如果是您本人，请打开以下链接确认邮箱：

{link}

该链接只能使用一次，24 小时内有效。如果不是您本人操作，请忽略此邮件：未经确认，该账户无法生成任何内容。
`},
}

// VerificationEmail returns the subject and the text of the e-mail with the link that confirms an address.
func VerificationEmail(link string, lang job.Lang) (subject, text string) {
	l, ok := verificationEmail[lang]
	if !ok {
		l = verificationEmail[job.English]
	}
	return l.subject, strings.ReplaceAll(l.text, "{link}", link)
}

// Notice is what somebody is told of that was done to their account.
type Notice string

// The notices.
const (
	// NoticePassword is for a new password.
	NoticePassword Notice = "password"
	// NoticeGoogle is for a Google account that opens the account from now on.
	NoticeGoogle Notice = "google"
)

// notices are the letters that tell of what was done. They hold no link: people shall not learn to follow one.
var notices = map[Notice]map[job.Lang]struct{ subject, text string }{
	NoticePassword: changedLetter,
	NoticeGoogle:   linkedLetter,
}

// linkedLetter is the letter that tells of a Google account that was linked.
var linkedLetter = map[job.Lang]struct{ subject, text string }{
	job.English: {"A Google account was linked to your account", `Hello,

a Google account was linked to your account at Text2Image Audio just now and can be used to sign in to it.

If that was you there is nothing to do. If not, open the page, choose "Forgot the password?" and set a new password: that signs everybody out and ends the link.
`},
	job.Chinese: {"您的账户已关联 Google 账户", `您好，

您在 Text2Image Audio 的账户刚刚关联了一个 Google 账户，今后可用其登录。

如果是您本人操作，无需理会。如果不是，请打开网页，点击“忘记密码？”重新设置密码：所有登录将失效，该关联也会被解除。
`},
}

// changedLetter is the letter that tells of a new password.
var changedLetter = map[job.Lang]struct{ subject, text string }{
	job.English: {"Your password was changed", `Hello,

the password of your account at Text2Image Audio was changed just now, and everybody who was signed in with the old one is signed out.

If that was you there is nothing to do. If not, open the page, choose "Forgot the password?" and set a new password.
`},
	job.Chinese: {"您的密码已修改", `您好，

您在 Text2Image Audio 的账户密码刚刚已修改，使用旧密码的登录均已失效。

如果是您本人操作，无需理会。如果不是，请打开网页，点击“忘记密码？”重新设置密码。
`},
}

// NoticeLetter returns the subject and the text of the letter that tells of what was done.
func NoticeLetter(about Notice, lang job.Lang) (subject, text string) {
	l, ok := notices[about][lang]
	if !ok {
		l = notices[about][job.English]
	}
	return l.subject, l.text
}

// ResetLetter returns the subject and the text of the letter with the link of a password reset.
func ResetLetter(link string, lang job.Lang) (subject, text string) {
	l, ok := resetLetter[lang]
	if !ok {
		l = resetLetter[job.English]
	}
	return l.subject, strings.ReplaceAll(l.text, "{link}", link)
}
