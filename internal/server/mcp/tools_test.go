package mcp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/core"
)

// call calls a tool and returns whether it failed, its text and its structured content.
func (h *harness) call(tool, arguments string, header ...string) (failed bool, text string, content any) {
	h.t.Helper()
	result := h.result(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments), header...)
	failed, _ = result["isError"].(bool)
	text, _ = dig(result, "content", 0, "text").(string)
	return failed, text, result["structuredContent"]
}

func TestWhoami(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	failed, text, content := h.call("whoami", `{}`)
	hint := "kf_…" + h.secret[len(h.secret)-4:]
	want := map[string]any{
		"org": map[string]any{"id": h.org.ID, "slug": "acme", "name": "Acme, Inc."},
		"key": map[string]any{
			"id": h.key.ID, "name": "ci", "hint": hint, "status": "enabled", "expires_at": nil,
			"created_at": dig(content, "key", "created_at"), "last_used_at": dig(content, "key", "last_used_at"),
		},
	}
	if diff := cmp.Diff(any(want), content); diff != "" || failed {
		t.Error(diff)
	}
	if dig(content, "key", "last_used_at") == nil {
		t.Error("the call that asks is no use")
	}
	for _, part := range []string{`"ci"`, hint, "enabled", "expires never", `"Acme, Inc."`, "(acme)"} {
		if !strings.Contains(text, part) {
			t.Errorf("the text %q lacks %s", text, part)
		}
	}
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.owner, "acme", "second")
	h.newKey(h.owner, "acme", "third")
	_, err := h.core.SetKeyEnabled(t.Context(), h.owner, "acme", "second", false, "")
	noError(t, err)

	names := func(content any) (out []string) {
		keys, _ := dig(content, "keys").([]any)
		for _, k := range keys {
			out = append(out, fmt.Sprint(dig(k, "name")))
		}
		return out
	}
	_, _, first := h.call("list_keys", `{"limit":2}`)
	token, _ := dig(first, "next_page_token").(string)
	_, text, second := h.call("list_keys", fmt.Sprintf(`{"limit":2,"page_token":%q}`, token))
	got := append(names(first), names(second)...)
	if diff := cmp.Diff([]string{"ci", "second", "third"}, got); diff != "" || dig(second, "next_page_token") != "" {
		t.Errorf("%s, last token %v", diff, dig(second, "next_page_token"))
	}
	if !strings.Contains(text, `"third"`) {
		t.Errorf("text %q", text)
	}
	_, _, disabled := h.call("list_keys", `{"status":"disabled"}`)
	if diff := cmp.Diff([]string{"second"}, names(disabled)); diff != "" {
		t.Error(diff)
	}
	_, _, none := h.call("list_keys", `{"status":"expired"}`)
	if keys, ok := dig(none, "keys").([]any); !ok || len(keys) != 0 {
		t.Errorf("no keys are %v", none)
	}
}

func TestKeyActivity(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	renamed := "build"
	_, err := h.core.UpdateKey(t.Context(), h.owner, "acme", "ci", core.KeyPatch{Name: &renamed}, 0)
	noError(t, err)
	unused, _ := h.newKey(h.owner, "acme", "unused")

	_, text, own := h.call("key_activity", `{}`)
	if dig(own, "key", "name") != "build" || dig(own, "secrets", 0, "state") != "current" || dig(own, "secrets", 0, "last_used_at") == nil {
		t.Errorf("%v", own)
	}
	if dig(own, "events", 0, "type") != "key.renamed" || dig(own, "events", 1, "type") != "key.created" ||
		dig(own, "events", 0, "by", "name") != "acme owner" {
		t.Errorf("events %v", dig(own, "events"))
	}
	if !strings.Contains(text, `key.renamed by user "acme owner"`) {
		t.Errorf("text %q", text)
	}
	_, _, one := h.call("key_activity", `{"limit":1}`)
	if events, _ := dig(one, "events").([]any); len(events) != 1 {
		t.Errorf("events %v", events)
	}
	for _, ref := range []string{"unused", "UNUSED", unused.ID} {
		_, text, content := h.call("key_activity", fmt.Sprintf(`{"key":%q}`, ref))
		if dig(content, "key", "id") != unused.ID || dig(content, "secrets", 0, "last_used_at") != nil || !strings.Contains(text, "last used never") {
			t.Errorf("%s: %v %s", ref, content, text)
		}
	}
}

func TestWhatAToolRefusesIsAnErrorOfTheTool(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	foreign := h.foreignKey()
	tests := map[string]struct{ tool, arguments, text string }{
		"unknown key":       {"key_activity", `{"key":"nosuch"}`, `key-not-found: the organisation has no key "nosuch"`},
		"foreign key":       {"key_activity", fmt.Sprintf(`{"key":%q}`, foreign), "key-not-found"},
		"a secret":          {"key_activity", fmt.Sprintf(`{"key":%q}`, h.secret), "invalid-request"},
		"page token":        {"list_keys", `{"page_token":"x"}`, "page token"},
		"limit too small":   {"list_keys", `{"limit":0}`, "limit"},
		"limit too large":   {"key_activity", `{"limit":101}`, "limit"},
		"unknown status":    {"list_keys", `{"status":"on"}`, "status"},
		"unknown argument":  {"whoami", `{"key":"ci"}`, "key"},
		"argument in caps":  {"list_keys", `{"LIMIT":1}`, "LIMIT"},
		"wrong type":        {"list_keys", `{"limit":"1"}`, "limit"},
		"arguments a list":  {"list_keys", `[]`, "arguments"},
		"arguments a token": {"list_keys", `"x"`, "arguments"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			failed, text, content := h.call(tt.tool, tt.arguments)
			if !failed || !strings.Contains(text, tt.text) || content != nil {
				t.Errorf("failed %v, %q, %v", failed, text, content)
			}
			if strings.Contains(text, h.secret[4:]) {
				t.Errorf("the text repeats a secret: %s", text)
			}
		})
	}
	a := h.post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nosuch"}}`)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"code":-32602`) {
		t.Errorf("an unknown tool: %d %s", a.status, a.body)
	}
}

// foreignKey returns the id of the other organisation's key.
func (h *harness) foreignKey() string {
	h.t.Helper()
	caller, err := h.core.CheckKey(h.t.Context(), h.stranger, core.Origin{})
	noError(h.t, err)
	return caller.KeyID
}

// One server answers all callers: each must see its own organisation, however their calls interleave.
func TestCallersDoNotMix(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			key, want := h.secret, "acme"
			if i%2 == 1 {
				key, want = h.stranger, "globex"
			}
			_, _, content := h.call("whoami", `{}`, "Authorization", "Bearer "+key)
			if got := dig(content, "org", "slug"); got != want {
				t.Errorf("the key of %s was told that it belongs to %v", want, got)
			}
			_, _, content = h.call("list_keys", `{}`, "Authorization", "Bearer "+key)
			if keys, _ := dig(content, "keys").([]any); len(keys) != 1 {
				t.Errorf("%s sees %v", want, keys)
			}
		})
	}
	wg.Wait()
}
