package google

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// pageStyle is shared by the pages, which load nothing.
const pageStyle = `<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 2rem auto; padding: 0 1rem }
label { display: block; margin: .5rem 0 }
button { font: inherit; padding: .5rem 1.5rem }
</style>
`

const consentPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Sign in with the simulated Google</title>
` + pageStyle + `</head>
<body>
<h1>Sign in with the simulated Google</h1>
<p>This page stands in for Google. No password is asked for, and nothing leaves this machine.</p>
{{with .Error}}<p role="alert"><strong>{{.}}</strong></p>{{end}}
<p><code>{{.Client}}</code> requests access to your account: {{range .Scopes}}<code>{{.}}</code> {{end}}</p>
<form method="post">
<fieldset><legend>Choose an account</legend>
{{range $n, $_ := .Users}}<label><input type="radio" name="account" value="{{.Sub}}"{{if eq $n 0}} checked{{end}}> {{.Name}} &lt;{{.Email}}&gt;{{if not .Verified}} (address not verified){{end}}</label>
{{end}}</fieldset>
<fieldset><legend>Or use another one</legend>
<label>Email address <input type="email" name="email" autocomplete="off"></label>
<label>Name <input name="name" autocomplete="off"></label>
<label><input type="radio" name="verified" value="yes" checked> Google has verified the address</label>
<label><input type="radio" name="verified" value="no"> Google has not verified the address</label>
</fieldset>
<p><button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></p>
</form>
<p>You will go back to <code>{{.Redirect}}</code></p>
</body>
</html>
`

const blockedPage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Error {{.Status}} ({{.Code}})</title>
` + pageStyle + `</head>
<body>
<h1>Access blocked: Authorization Error</h1>
<p>{{.Message}}</p>
<p><strong>Error {{.Status}}: {{.Code}}</strong></p>
<p>This page stands in for Google.</p>
</body>
</html>
`

// sendConsentPage sends the consent page, with an error of the last submission.
func (g *Provider) sendConsentPage(x *kit.Exchange, a authorization, message string) {
	status := http.StatusOK
	if message != "" {
		status = http.StatusBadRequest
	}
	sendPage(x, status, consentPage, map[string]any{
		"Error": message, "Client": a.client, "Scopes": a.scopes, "Users": g.offered(a.hint), "Redirect": a.redirect,
	})
}

func sendPage(x *kit.Exchange, status int, page string, data map[string]any) {
	var out strings.Builder
	if err := template.Must(template.New("page").Parse(page)).Execute(&out, data); err != nil {
		panic("write a page of the simulator: " + err.Error()) // Only pages and plain values of this package are rendered.
	}
	x.SetHeaders(map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
	})
	x.Send(status, "text/html; charset=utf-8", []byte(out.String()))
}

// avatar serves the image of a user, which never changes.
func avatar(x *kit.Exchange) {
	x.SendImage(content.Drawing{Prompt: "a portrait", Model: "zimage", Variant: x.Rest, Width: 96, Height: 96})
}
