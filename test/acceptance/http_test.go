package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/pkg/api"
)

// cmdHTTP makes a request and asks for the status: http STATUS METHOD URL [HEADER: VALUE…] [@BODYFILE]. Headers and body of
// the answer become stdout. The value 1MiB stands for that much.
func cmdHTTP(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var body io.Reader
	headers := args[3:]
	if n := len(headers); n > 0 && strings.HasPrefix(headers[n-1], "@") {
		body = strings.NewReader(ts.ReadFile(headers[n-1][1:]))
		headers = headers[:n-1]
	}
	req, err := http.NewRequestWithContext(ctx, args[1], args[2], body)
	ts.Check(err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "1MiB" {
			value = strings.Repeat("x", 1<<20)
		}
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	status, header, answer := ask(ts, req)
	for status != want && bytes.Contains(answer, []byte(api.CodeReplicaStale)) {
		select { // a busy machine kept it from renewing its lease: clients ask again, too
		case <-time.After(time.Second):
		case <-ctx.Done():
			ts.Fatalf("the replica stays behind: %s", answer)
		}
		req = req.Clone(ctx)
		if req.GetBody != nil {
			req.Body, err = req.GetBody()
			ts.Check(err)
		}
		status, header, answer = ask(ts, req)
	}
	_ = header.Write(ts.Stdout())
	_, _ = fmt.Fprintf(ts.Stdout(), "\n%s", answer)
	if status != want {
		ts.Fatalf("status %d, want %d: %s", status, want, answer)
	}
}

// ask sends a request once.
func ask(ts *testscript.TestScript, req *http.Request) (status int, header http.Header, body []byte) {
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	ts.Check(err)
	return res.StatusCode, res.Header, body
}
