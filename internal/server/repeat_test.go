package server

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestIdempotentCreate(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	create := func(who tenant, body string, header ...string) answer {
		return h.as(who, "POST", "/v1/orgs/"+who.org.Slug+"/keys", body, header...)
	}
	const name = "Idempotency-Key"
	first := create(h.acme, `{"name":"k","tags":{"a":"1"}}`, name, "one").want(http.StatusCreated)
	if got := first.header.Get("Idempotent-Replayed"); got != "" {
		t.Errorf("the first is replayed: %q", got)
	}
	for _, header := range []string{"one", `"one"`} {
		again := create(h.acme, ` {"tags":{"a":"1"}, "name":"k","expires_at":null}`, name, header).want(http.StatusCreated)
		if again.header.Get("Idempotent-Replayed") != "true" || !bytes.Equal(again.body, first.body) {
			t.Errorf("replayed %q: %s", again.header.Get("Idempotent-Replayed"), again.body)
		}
		for _, same := range []string{"Location", "ETag"} {
			if again.header.Get(same) != first.header.Get(same) || again.header.Get(same) == "" {
				t.Errorf("%s %q, first %q", same, again.header.Get(same), first.header.Get(same))
			}
		}
	}
	create(h.acme, `{"name":"other"}`, name, "one").problem(api.CodeIdempotency)
	other := create(h.globex, `{"name":"k","tags":{"a":"1"}}`, name, "one").want(http.StatusCreated)
	if bytes.Equal(other.body, first.body) || other.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("another org's answer: %s", other.body)
	}
	for _, bad := range []string{"", `""`, strings.Repeat("a", 256), strings.Repeat("a", 10<<10), "é", "a\tb", `"a`, `"a"b`, `"a"; b=1`, `"a\b"`, `"`, `"\`} {
		p := create(h.acme, `{"name":"bad"}`, name, bad).problem(api.CodeInvalidRequest)
		if !strings.Contains(p.Detail, name) {
			t.Errorf("%q: %s", bad, p.Detail)
		}
	}
	create(h.acme, `{"name":"bad"}`, name, "a", name, "a").problem(api.CodeInvalidRequest)
	create(h.acme, `{"name":"long"}`, name, `"`+strings.Repeat(`\"`, 255)+`"`).want(http.StatusCreated)
	create(h.acme, `{"name":"long"}`, name, strings.Repeat(`"`, 255)).problem(api.CodeInvalidRequest)
	h.clock.add(25 * time.Hour)
	create(h.acme, `{"name":"k","tags":{"a":"1"}}`, name, "one").problem(api.CodeNameTaken)
	if got := len(decodeAs[api.KeyList](h.as(h.acme, "GET", keysPath, "")).Keys); got != 2 {
		t.Errorf("%d keys", got)
	}
}

func TestParallelIdempotentCreates(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const clients = 100
	bodies := make([]string, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			a := h.as(h.acme, "POST", keysPath, `{"name":"k"}`, "Idempotency-Key", "x")
			bodies[i] = strconv.Itoa(a.status) + string(a.body)
		})
	}
	group.Wait()
	for i := range clients {
		if bodies[i] != bodies[0] || !strings.HasPrefix(bodies[i], "201{") {
			t.Fatalf("answer %d: %s, first %s", i, bodies[i], bodies[0])
		}
	}
	if got := len(decodeAs[api.KeyList](h.as(h.acme, "GET", keysPath, "")).Keys); got != 1 {
		t.Errorf("%d keys", got)
	}
}
