package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// sayFailed gives errors of the account's routes the mark that the original's clients look for.
func sayFailed(c *gin.Context) {
	c.Set(failedMark, true)
	c.Header("Cache-Control", "no-store")
}

const failedMark = "failed_mark"

// userView is an account as its owner sees it.
type userView struct {
	ID           string    `json:"id"`
	Username     string    `json:"username"`
	Email        string    `json:"email"`
	CreatedAt    job.Time  `json:"createdAt"`
	LastLoginAt  *job.Time `json:"lastLoginAt"` // null until the first sign-in, as the original had it
	AuthProvider string    `json:"authProvider,omitempty"`
	Avatar       string    `json:"avatar,omitempty"`
	HasPassword  bool      `json:"hasPassword"`
	HasGoogle    bool      `json:"hasGoogle"`
	// EmailVerified says whether the owner has shown to have the address.
	EmailVerified bool `json:"emailVerified"`
}

func viewOf(u *account.User) userView {
	return userView{u.ID, u.Username, u.Email, u.CreatedAt, u.LastLoginAt, u.AuthProvider, u.Avatar(), u.HasPassword(), u.HasGoogle(), u.EmailVerified()}
}

// accountAnswer is what the account's routes answer.
type accountAnswer struct {
	Success bool      `json:"success"`
	Message string    `json:"message,omitempty"`
	Token   string    `json:"token,omitempty"`
	User    *userView `json:"user,omitempty"`
	// Return is where the page goes after a sign-in with Google.
	Return string `json:"return,omitempty"`
}

// told are the sentences of acts that succeeded.
var told = map[string]words{
	"registered": {"Your account is ready.", "注册成功。"},
	"registered_unverified": {
		"Your account is ready. Open the link in the e-mail that is on its way to you to confirm your address.", "注册成功。请打开我们发送到您邮箱的链接以确认邮箱地址。",
	},
	"verified":      {"Your e-mail address is confirmed.", "邮箱地址已确认。"},
	"verify_sent":   {"An e-mail with a link is on its way to you.", "含确认链接的邮件已发送。"},
	"verify_unneed": {"Your e-mail address needs no confirmation.", "您的邮箱无需确认。"},
	"signed_in":     {"You are signed in.", "登录成功。"},
	"signed_out":    {"You are signed out.", "已退出登录。"},
	"asked": {
		"If the address has an account, a letter with a link is on its way to it.", "如果该邮箱已注册，您将收到重置密码的链接。",
	},
	"reset":    {"The new password is set. Sign in with it.", "密码已重置，请使用新密码登录。"},
	"changed":  {"The new password is set. Everywhere else you are signed out.", "密码已修改，其他设备上的登录均已失效。"},
	"renamed":  {"The name is changed.", "用户名已修改。"},
	"linked":   {"Your Google account is linked; you can sign in with it from now on.", "已关联 Google 账户，今后可用其登录。"},
	"unlinked": {"Your Google account is no longer linked.", "已取消关联 Google 账户。"},
	"unsaved":  {"The picture is deleted.", "图片已删除。"},
	"deleting": {"The account is deleted; what belongs to it is still being removed.", "账户已删除，其内容正在清除。"},
	"deleted":  {"The account and everything of it is deleted.", "账户及其全部内容已删除。"},
}

// tell answers that something was done.
func (s *Server) tell(c *gin.Context, status int, act string, u *account.User, token string) {
	s.tellWith(c, status, act, u, token, "")
}

func (s *Server) tellWith(c *gin.Context, status int, act string, u *account.User, token, back string) {
	answer := accountAnswer{Success: true, Message: told[act].in(s.lang(c)), Token: token, Return: back}
	if u != nil {
		view := viewOf(u)
		answer.User = &view
	}
	vary(c, "Accept-Language")
	writeJSON(c, status, jsonType, answer)
}

type registration struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

// register is POST /api/auth/register.
func (s *Server) register(c *gin.Context) error {
	var ask registration
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	b.also(account.CheckUsername("/username", ask.Username)...)
	b.also(account.CheckEmail("/email", ask.Email)...)
	b.also(account.CheckPassword("/password", ask.Password)...)
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	admit, giveBack := s.admitAccount(c)
	if err := admit(); err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	create, act := s.deps.Accounts.Register, "registered"
	if s.deps.VerifyEmail {
		create, act = s.deps.Accounts.RegisterUnverified, "registered_unverified"
	}
	u, err := create(ctx, ask.Username, ask.Email, ask.Password)
	giveBack(err)
	if err != nil {
		return err
	}
	if !u.EmailVerified() {
		s.deps.Recovery.Verify(u, s.lang(c))
	}
	s.attempts.succeeded(c.ClientIP(), ask.Email)
	token, err := s.signIn(c, u)
	if err != nil {
		return err
	}
	s.tell(c, http.StatusCreated, act, u, token)
	return nil
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// login is POST /api/auth/login. What is missing is as wrong as anything else.
func (s *Server) login(c *gin.Context) error {
	var ask credentials
	b, err := s.decodeLenient(c, &ask)
	if err != nil {
		return err
	}
	if len(b.faults) > 0 || ask.Email == "" || ask.Password == "" {
		return account.ErrCredentials
	}
	forgive, wait := s.attempts.login(c.ClientIP(), ask.Email)
	if wait > 0 {
		return tooManyAttempts(wait)
	}
	ctx, cancel := bounded(c)
	defer cancel()
	u, err := s.deps.Accounts.Login(ctx, ask.Email, ask.Password)
	if !errors.Is(err, account.ErrCredentials) {
		forgive()
	}
	if err != nil {
		return err
	}
	s.attempts.succeeded(c.ClientIP(), ask.Email)
	token, err := s.signIn(c, u)
	if err != nil {
		return err
	}
	s.tell(c, http.StatusOK, "signed_in", u, token)
	return nil
}

// validate is GET /api/auth/validate: who is signed in. A token of the oldest format is replaced.
func (s *Server) validate(c *gin.Context) error {
	m, err := s.mustMember(c)
	if err != nil {
		return err
	}
	view := viewOf(m.user)
	answer := accountAnswer{Success: true, User: &view}
	if m.session.Legacy {
		if answer.Token, err = s.deps.Accounts.Renew(m.user); err != nil {
			return err
		}
		s.setMember(c, answer.Token, int(account.TokenAge.Seconds()))
	}
	writeJSON(c, http.StatusOK, jsonType, answer)
	return nil
}

// logout is POST /api/auth/logout: the token ends, or with everywhere all of the account. Whoever is not signed in is
// answered the same.
func (s *Server) logout(c *gin.Context) error {
	var ask struct {
		Everywhere bool `json:"everywhere"`
	}
	b, err := s.decodeOptional(c, &ask)
	if err != nil {
		return err
	}
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	m, err := s.memberOf(c)
	if p, ok := errors.AsType[*problem](err); err != nil && (!ok || p.code != codeToken) {
		return err
	}
	if m != nil {
		ctx, cancel := bounded(c)
		defer cancel()
		if err := s.deps.Accounts.SignOut(ctx, m.user, m.session, ask.Everywhere); err != nil && !errors.Is(err, account.ErrUnknown) {
			return err
		}
	}
	c.Writer.Header().Del("Set-Cookie")
	c.Writer.Header().Del("WWW-Authenticate")
	s.forgetMember(c)
	s.tell(c, http.StatusOK, "signed_out", nil, "")
	return nil
}
