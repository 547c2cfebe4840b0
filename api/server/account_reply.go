package server

import (
	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// userView is an account as its owner sees it.
type userView struct {
	ID            string    `json:"id"`
	Username      string    `json:"username"`
	Email         string    `json:"email"`
	CreatedAt     job.Time  `json:"createdAt"`
	LastLoginAt   *job.Time `json:"lastLoginAt"` // null until the first sign-in, as in the original
	AuthProvider  string    `json:"authProvider,omitempty"`
	Avatar        string    `json:"avatar,omitempty"`
	HasPassword   bool      `json:"hasPassword"`
	HasGoogle     bool      `json:"hasGoogle"`
	EmailVerified bool      `json:"emailVerified"`
}

func newUserView(u *account.User) *userView {
	return &userView{u.ID, u.Username, u.Email, u.CreatedAt, u.LastLoginAt, u.AuthProvider, u.Avatar(), u.HasPassword(), u.HasGoogle(), u.EmailVerified()}
}

// accountReply is the response of the account routes.
type accountReply struct {
	Success bool      `json:"success"`
	Message string    `json:"message,omitempty"`
	Token   string    `json:"token,omitempty"`
	User    *userView `json:"user,omitempty"`
	// Return is the path to which the page goes after a sign-in with Google.
	Return string `json:"return,omitempty"`
}

// messages holds the sentences of successful actions.
var messages = map[string]problem.Words{
	"registered": {English: "Your account has been created.", Chinese: "注册成功。"},
	"registered_unverified": {
		English: "Your account has been created. Open the link in the email that we are sending you to verify your email address.",
		Chinese: "注册成功。请打开我们发送到您邮箱的链接以验证邮箱。",
	},
	"verified":              {English: "Your email address has been verified.", Chinese: "邮箱已验证。"},
	"verification_sent":     {English: "We are sending you an email with a link.", Chinese: "验证邮件已发送。"},
	"verification_unneeded": {English: "Your email address does not need to be verified.", Chinese: "您的邮箱无需验证。"},
	"signed_in":             {English: "You are signed in.", Chinese: "登录成功。"},
	"signed_out":            {English: "You are signed out.", Chinese: "已退出登录。"},
	"reset_requested": {
		English: "If an account with this email address exists, we are sending it an email with a link.", Chinese: "如果该邮箱已注册，您将收到重置密码的链接。",
	},
	"reset":         {English: "Your password has been reset. Sign in with the new one.", Chinese: "密码已重置，请使用新密码登录。"},
	"changed":       {English: "Your password has been changed. You are signed out everywhere else.", Chinese: "密码已修改，其他设备上的登录均已失效。"},
	"renamed":       {English: "Your name has been changed.", Chinese: "用户名已修改。"},
	"linked":        {English: "Your Google account is linked; you can now sign in with it.", Chinese: "已关联 Google 账户，今后可用其登录。"},
	"unlinked":      {English: "Your Google account is no longer linked.", Chinese: "已取消关联 Google 账户。"},
	"image_deleted": {English: "The image has been deleted.", Chinese: "图片已删除。"},
	"deleting":      {English: "Your account has been deleted; its data is still being removed.", Chinese: "账户已删除，其数据正在清除。"},
	"deleted":       {English: "Your account and all its data have been deleted.", Chinese: "账户及其全部数据已删除。"},
}

// respondSignedIn signs a user in and responds with the account and its new token.
func respondSignedIn(c *gin.Context, sessions *session.Sessions, status int, message string, u *account.User) error {
	token, err := sessions.SignIn(c, u)
	if err != nil {
		return err
	}
	respondDone(c, status, message, accountReply{User: newUserView(u), Token: token})
	return nil
}

// respondDone responds with r, success and the sentence of a message.
func respondDone(c *gin.Context, status int, message string, r accountReply) {
	r.Success, r.Message = true, messages[message].In(problem.Lang(c))
	respond.Vary(c, "Accept-Language")
	respond.JSON(c, status, r)
}
