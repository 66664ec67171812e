package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const membersPath = "/v1/orgs/acme/members"

func (h *harness) members(who tenant) []api.Member {
	h.t.Helper()
	return decodeAs[api.MemberList](h.as(who, "GET", membersPath, "").want(http.StatusOK)).Members
}

func TestMembersAreInvited(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const body = `{"email":" Ann.O'Hara+keys@Example.COM","role":"admin"}`
	h.as(h.acme, "POST", membersPath, body).problem(api.CodeInvalidRequest)
	made := decodeAs[api.MemberInvitation](h.as(h.acme, "POST", membersPath, strings.Replace(body, " ", "", 1)).want(http.StatusCreated))
	want := api.Member{
		Email: "ann.o'hara+keys@example.com", Role: api.RoleAdmin, Status: api.MemberInvited,
		CreatedAt: made.Member.CreatedAt, ExpiresAt: made.Member.ExpiresAt,
	}
	if diff := cmp.Diff(want, made.Member); diff != "" || made.Member.ExpiresAt == nil {
		t.Errorf("%s, expires %v", diff, made.Member.ExpiresAt)
	}
	token, ok := strings.CutPrefix(made.SetupURL, "https://keys.example.com/setup/")
	if !ok || len(token) < 26 || url.PathEscape(token) != token {
		t.Errorf("setup_url %q", made.SetupURL)
	}
	setUp, err := h.core.SetUp(t.Context(), token)
	if err != nil || setUp.Email != want.Email || setUp.Org.Slug != "acme" {
		t.Errorf("%+v, %v", setUp, err)
	}
	again := decodeAs[api.MemberInvitation](h.as(h.acme, "POST", membersPath, strings.Replace(body, " ", "", 1)).want(http.StatusCreated))
	if again.SetupURL == made.SetupURL || again.SetupURL == "" {
		t.Errorf("again %q", again.SetupURL)
	}
	if _, err := h.core.SetUp(t.Context(), token); err == nil {
		t.Error("the earlier link still works")
	}
	if list := h.members(h.acme); len(list) != 2 || list[0].ID != h.acme.user.ID || list[1].Email != want.Email {
		t.Errorf("members %+v", list)
	}
	path := membersPath + "/" + url.PathEscape("ANN.O'Hara+keys@example.com")
	if got := decodeAs[api.MemberEnvelope](h.as(h.acme, "PATCH", path, `{"role":"viewer"}`).want(http.StatusOK)); got.Member.Role != api.RoleViewer || got.Member.Status != api.MemberInvited {
		t.Errorf("the invitation's role is %+v", got)
	}
	h.as(h.acme, "DELETE", path, "").want(http.StatusNoContent)
	h.as(h.acme, "DELETE", path, "").problem(api.CodeMemberNotFound)
	if log := h.log.String(); strings.Contains(log, token) || strings.Contains(log, "ann.o") {
		t.Errorf("the log holds a link or an address:\n%s", log)
	}
}

func TestWithoutPasswordsThereIsNoSetUpLink(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(c *core.Config) { c.Passwords = false })
	out := h.as(h.acme, "POST", membersPath, `{"email":"ann@example.com","role":"viewer"}`).want(http.StatusCreated)
	if strings.Contains(string(out.body), "setup_url") {
		t.Errorf("%s", out.body)
	}
	got := decodeAs[api.MemberEnvelope](h.as(h.acme, "PATCH", membersPath+"/ann@example.com", `{"role":"member"}`).want(http.StatusOK)).Member
	if got.Role != api.RoleMember || got.Status != api.MemberInvited {
		t.Errorf("%+v", got)
	}
}

func TestRolesAreChangedAndMembersRemoved(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	admin := h.join(h.acme, "admin@example.com", api.RoleAdmin)
	list := h.members(admin)
	want := []api.Member{
		{ID: h.acme.user.ID, Name: "acme owner", Role: api.RoleOwner, Status: api.MemberActive, CreatedAt: list[0].CreatedAt},
		{ID: admin.user.ID, Name: admin.user.Name, Email: "admin@example.com", Role: api.RoleAdmin, Status: api.MemberActive, CreatedAt: list[1].CreatedAt},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
	h.as(h.acme, "POST", membersPath, `{"email":"ADMIN@example.com","role":"viewer"}`).problem(api.CodeAlreadyMember)
	owner := membersPath + "/" + h.acme.user.ID
	h.as(admin, "PATCH", owner, `{"role":"viewer"}`).problem(api.CodeForbidden)
	h.as(admin, "DELETE", owner, "").problem(api.CodeForbidden)
	h.as(admin, "POST", membersPath, `{"email":"new@example.com","role":"owner"}`).problem(api.CodeForbidden)
	h.as(h.acme, "PATCH", owner, `{"role":"admin"}`).problem(api.CodeLastOwner)
	h.as(h.acme, "DELETE", owner, "").problem(api.CodeLastOwner)

	got := decodeAs[api.MemberEnvelope](h.as(h.acme, "PATCH", membersPath+"/admin@example.com", `{"role":"owner"}`).want(http.StatusOK)).Member
	if got.Role != api.RoleOwner || got.ID != admin.user.ID {
		t.Errorf("%+v", got)
	}
	h.as(admin, "DELETE", owner, "").want(http.StatusNoContent)
	h.as(h.acme, "GET", keysPath, "").problem(api.CodeUnauthenticated)
	for _, ref := range []string{h.globex.user.ID, "nobody@example.com", "x", "%00", "a%2Fb", "..%2F..", strings.Repeat("a", 300)} {
		h.as(admin, "DELETE", membersPath+"/"+ref, "").problem(api.CodeMemberNotFound)
		h.as(admin, "PATCH", membersPath+"/"+ref, `{"role":"viewer"}`).problem(api.CodeMemberNotFound)
	}
}
