package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// operatorConfig has the settings of operator commands. Flags override the environment.
type operatorConfig struct {
	URL    string     `env:"API_URL" doc:"URL of the API that the operator commands call; the API at LISTEN_ADDR if empty."`
	Listen string     `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" doc:"Address of the API if API_URL is not set."`
	Key    env.Secret `env:"ADMIN_KEY" doc:"Key for the operator routes; the ADMIN_KEY of the API."`
}

const (
	// operatorTimeout bounds a request. The API takes up to a minute for bulk actions.
	operatorTimeout = 90 * time.Second
	// operatorBytes bounds the size of a response.
	operatorBytes = 32 << 20
)

// operator calls an API and prints responses for an operator command.
type operator struct {
	base   *url.URL
	key    env.Secret
	client *http.Client
	stdout io.Writer
	stderr io.Writer
	// json prints responses as JSON instead of tables.
	json bool
}

// operatorFlags adds the flags of all operator commands. The returned function must be called after the flags are parsed. It
// fails if the URL or the key is missing or invalid.
func operatorFlags(flags *flag.FlagSet, environ []string, stdout, stderr io.Writer) func() (*operator, error) {
	flags.SetOutput(stderr)
	address := flags.String("url", "", "URL of the API (API_URL, else LISTEN_ADDR)")
	output := flags.String("o", "table", "output: table or json")
	return func() (*operator, error) {
		var cfg operatorConfig
		if err := env.Load(environ, &cfg); err != nil {
			return nil, err
		}
		if *address != "" {
			cfg.URL = *address
		}
		if *output != "table" && *output != "json" {
			return nil, errors.New("-o must be table or json")
		}
		base, err := cfg.base()
		if err != nil {
			return nil, err
		}
		if cfg.Key == "" {
			return nil, errors.New("ADMIN_KEY is not set; it must be the same as that of the API")
		}
		return &operator{
			base: base, key: cfg.Key, stdout: stdout, stderr: stderr, json: *output == "json",
			// Redirects are not followed, because the key must not be sent to another host.
			client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		}, nil
	}
}

// base returns the URL of the API's root.
func (c operatorConfig) base() (*url.URL, error) {
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, errors.New("url must be a URL such as https://example.org")
		}
		return u, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, &env.Fault{Name: "LISTEN_ADDR", Expected: "an address such as 127.0.0.1:8080"}
	}
	// An API that listens on all addresses is also reachable on loopback.
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}, nil
}

// parseMixed parses flags before, between and after other arguments, and returns the other arguments.
func parseMixed(flags *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others, args = append(others, flags.Arg(0)), flags.Args()[1:]
	}
}

// apiError is an error response of the API.
type apiError struct {
	status int
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Legacy is the same sentence in the legacy format.
	Legacy string `json:"error"`
}

// Error returns the sentence and the code.
func (e *apiError) Error() string {
	sentence := cmp.Or(e.Detail, e.Legacy)
	if sentence == "" {
		return fmt.Sprintf("the API returned status %d", e.status)
	}
	return printable(sentence) + " (" + printable(e.Code) + ")"
}

// readError returns the error of a response as an *apiError.
func readError(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, operatorBytes))
	if err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	e := &apiError{status: resp.StatusCode}
	_ = json.Unmarshal(body, e) // For other bodies, such as the page of a proxy, Error returns the status.
	return e
}

// call sends a request to a route below /api/admin and decodes the response. body and into may be nil. It returns an *apiError
// for an error response.
func (o *operator) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if body == nil {
		encoded = nil
	}
	u := o.base.JoinPath("api", "admin", path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(encoded)) //nolint:gosec // The operator sets the URL.
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+o.key.Reveal())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := o.client.Do(req) //nolint:gosec // The operator sets the URL.
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return readError(resp)
	}
	response, err := io.ReadAll(io.LimitReader(resp.Body, operatorBytes))
	if err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(response, into); err != nil {
		return fmt.Errorf("%w: %w", errNotFromAPI, err)
	}
	return nil
}

// printJSON prints a value as JSON.
func (o *operator) printJSON(v any) error {
	e := json.NewEncoder(o.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print response: %w", err)
	}
	return nil
}

// show calls the API and prints the response as JSON with -o json, and with display otherwise.
func show[T any](ctx context.Context, o *operator, method, path string, query url.Values, body any, display func(*T) error) error {
	var response json.RawMessage
	if err := o.call(ctx, method, path, query, body, &response); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(response)
	}
	var v T
	if err := json.Unmarshal(response, &v); err != nil {
		return fmt.Errorf("%w: %w", errNotFromAPI, err)
	}
	return display(&v)
}

// errNotFromAPI reports a response that is not JSON of the API.
var errNotFromAPI = errors.New("the response is not from the API")

// queryOf returns the parameters that are not empty.
func queryOf(parameters map[string]string) url.Values {
	query := url.Values{}
	for name, value := range parameters {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

// printTable prints rows as a table.
func (o *operator) printTable(rows [][]string) error {
	w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print response: %w", err)
	}
	return nil
}

// printf prints text that is not JSON.
func (o *operator) printf(format string, args ...any) { _, _ = fmt.Fprintf(o.stdout, format, args...) }

// printable replaces control characters, which a terminal could interpret.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}
