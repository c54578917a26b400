package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
)

const (
	// maxAnswer bounds what is read of one answer. A page of children has at most some
	// hundred rows, so a larger answer is no Coppice page.
	maxAnswer = 64 << 20
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
	// maxProblem bounds what is read of an answer that reports an error.
	maxProblem = 4 << 10
)

// A client reads the views of one page and posts to it.
type client struct {
	target  target
	header  http.Header
	timeout time.Duration // of one request, except for streams
	http    *http.Client
}

// newClient returns a client. If caFile is not empty, servers must have a certificate of
// an authority in that file.
func newClient(t target, header http.Header, caFile string, timeout time.Duration) (*client, error) {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
	}
	if t.socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", t.socket)
		}
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, usageError("-cacert: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usageError("-cacert: %s has no PEM certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &client{target: t, header: header, timeout: timeout, http: &http.Client{
		Transport: transport,
		// The headers may be secrets of this server, and a login page is no answer.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request returns a request with the headers of the command line.
func (c *client) request(ctx context.Context, method, view string, query url.Values, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.target.at(view, query).String(), bytes.NewReader(body))
	if err != nil {
		return nil, usageError("%s", oneline.Of(err))
	}
	for name, values := range c.header {
		if name == "Host" {
			req.Host = values[0]
			continue
		}
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// get reads a view and decodes it into v, a pointer. It returns the text as the server
// sent it, which may have fields that this program does not know, and is safe to print.
func (c *client) get(ctx context.Context, view string, query url.Values, v any) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout{c.timeout})
	defer cancel()
	text, _, err := c.call(ctx, http.MethodGet, view, query, nil, v)
	return text, err
}

// call makes a request and decodes the answer. It returns the HTTP status of an answer
// that is JSON, which for a POST may be one that refuses.
func (c *client) call(ctx context.Context, method, view string, query url.Values, body []byte, v any) ([]byte, int, error) {
	req, err := c.request(ctx, method, view, query, body)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusConflict {
		return nil, resp.StatusCode, c.problem(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, resp.StatusCode, c.unreachable(ctx, err)
	case len(text) > maxAnswer:
		return nil, resp.StatusCode, reachError("%s: the answer is larger than %d MB", c.target, maxAnswer>>20)
	}
	text = safeJSON(text)
	if !isJSON(resp.Header) || !json.Valid(text) || text[0] != '{' {
		return nil, resp.StatusCode, c.noPage()
	}
	if err := decode(text, v); err != nil {
		return nil, resp.StatusCode, c.newer(err)
	}
	return text, resp.StatusCode, nil
}

// decode decodes an answer, and checks its version.
func decode(text []byte, v any) error {
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.V != view.Version {
		return fmt.Errorf("it has version %d of the format, and this command reads version %d", head.V, view.Version)
	}
	return json.Unmarshal(text, v)
}

// newer reports an answer that has something that this program does not know.
func (c *client) newer(err error) error {
	return reachError("cannot read the answer of %s: %s. If the server is newer than this command, update it: go install github.com/coppice-go/coppice/cmd/coppice@latest",
		c.target, oneline.Of(err))
}

func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// safeJSON makes JSON safe to print.
func safeJSON(text []byte) []byte {
	return oneline.JSON(bytes.ToValidUTF8(bytes.TrimSpace(text), []byte("\uFFFD")))
}

// errTimeout is the cause of a context that ends because of -timeout.
type errTimeout struct{ after time.Duration }

func (e errTimeout) Error() string { return fmt.Sprintf("no answer within %v (-timeout)", e.after) }

// unreachable explains why there is no answer.
func (c *client) unreachable(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if errors.As(err, new(errTimeout)) { // it may have been reached
		return reachError("%s: %w", c.target, err)
	}
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err // without the URL of the view
	}
	return reachError("cannot reach %s: %s", c.target, oneline.Of(err))
}

// noPage reports an answer that no Coppice page gives.
func (c *client) noPage() error {
	return reachError("%s is not a Coppice page: give the URL of the page, such as http://localhost:6060%s", c.target, defaultPrefix)
}

// problem explains an answer that reports an error. The text of the server is shown if it
// is plain text or JSON with a field "error".
func (c *client) problem(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	said := ""
	if isJSON(resp.Header) {
		var problem struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &problem) == nil {
			said = problem.Error
		}
	} else if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		said = string(body)
	}
	if said = oneline.Of(strings.TrimSpace(said)); said == "" {
		said = http.StatusText(resp.StatusCode)
	}
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && isJSON(resp.Header) && (resp.Request.Method == http.MethodPost || resp.Request.URL.Query().Has("path")):
		return troubleError("%s", said)
	case code == http.StatusNotFound:
		return c.noPage()
	case code >= 300 && code < 400:
		return reachError("%s redirects to %s: use the URL that it leads to", c.target, oneline.Text(resp.Header.Get("Location")))
	case code == http.StatusGone: // before its memory begins
		return usageError("-at: %s", said)
	case code == http.StatusUnprocessableEntity: // it was tried
		return troubleError("%s", said)
	case code == http.StatusUnauthorized:
		return refusedError("refused (401): %s. Send credentials with -H", said)
	case code >= 400 && code < 500:
		return refusedError("refused (%d): %s", code, said)
	default:
		return reachError("%s: %s (%d)", c.target, said, code)
	}
}
