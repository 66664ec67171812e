package client_test

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestCredentialsStay counts what other origins get when every call of the client is answered with a redirect to them.
func TestCredentialsStay(t *testing.T) {
	t.Parallel()
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), "http://169.254.169.254/", "/device"} {
			home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, status) }))
			c, err := client.New(client.Config{URL: home.URL, Token: secret.New(secret.Session)})
			if err != nil {
				t.Fatal(err)
			}
			for call, err := range calls(t.Context(), c) {
				if !isOdd(err) {
					t.Errorf("%s answered with %d to %s: %v", call, status, to, err)
				}
			}
			home.Close()
		}
	}
	if n := leaked.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// TestEveryCallIsTried holds calls to the methods that there are.
func TestEveryCallIsTried(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tried := calls(ctx, c)
	for method := range reflect.TypeFor[*client.Client]().Methods() {
		switch method.Name {
		case "Origin": // asks nothing
		case "AwaitDevice": // TestDeviceSignIn
		default:
			if _, ok := tried[method.Name]; !ok {
				t.Errorf("%s is not among the calls", method.Name)
			}
		}
	}
}

// calls makes each call.
func calls(ctx context.Context, c *client.Client) map[string]error {
	const org, key = "acme", "ci"
	out := map[string]error{}
	_, out["Session"] = c.Session(ctx)
	out["SignOut"] = c.SignOut(ctx)
	_, out["Sessions"] = c.Sessions(ctx)
	out["EndSession"] = c.EndSession(ctx, "ses_1")
	_, out["EndSessions"] = c.EndSessions(ctx)
	_, out["StartDevice"] = c.StartDevice(ctx, "keyfob", "")
	_, _, out["CreateToken"] = c.CreateToken(ctx, org, api.CreateTokenRequest{Name: key})
	_, _, out["CreateKey"] = c.CreateKey(ctx, org, api.CreateKeyRequest{Name: key})
	_, _, out["RevealKey"] = c.RevealKey(ctx, org, key)
	_, out["UpdateKey"] = c.UpdateKey(ctx, org, key, api.UpdateKeyRequest{})
	_, out["DisableKey"] = c.DisableKey(ctx, org, key, "")
	_, out["EnableKey"] = c.EnableKey(ctx, org, key, "")
	out["DeleteKey"] = c.DeleteKey(ctx, org, key, client.DeleteKeyOptions{})
	_, out["KeyUsage"] = c.KeyUsage(ctx, org, key)
	_, _, out["OpenRotation"] = c.OpenRotation(ctx, org, key, "run", api.OpenRotationRequest{})
	_, out["DeliverRotation"] = c.DeliverRotation(ctx, org, key, "rot_1", "stdout", false)
	_, out["ProveRotation"] = c.ProveRotation(ctx, org, key, "rot_1")
	_, out["PromoteRotation"] = c.PromoteRotation(ctx, org, key, "rot_1", api.PromoteRequest{})
	_, out["Rotation"] = c.Rotation(ctx, org, key, "rot_1")
	_, out["RetireRotation"] = c.RetireRotation(ctx, org, key, "rot_1")
	_, out["CancelRotation"] = c.CancelRotation(ctx, org, key, "rot_1", false)
	_, out["Rotations"] = c.Rotations(ctx, org, key)
	_, out["TrustRules"] = c.TrustRules(ctx, org)
	_, out["CreateTrustRule"] = c.CreateTrustRule(ctx, org, api.CreateTrustRuleRequest{Name: key})
	out["DeleteTrustRule"] = c.DeleteTrustRule(ctx, org, key)
	_, out["ExchangeToken"] = c.ExchangeToken(ctx, "a.b.c", org)
	_, out["VerifyKey"] = c.VerifyKey(ctx, secret.New(secret.Key))
	_, out["LookupKey"] = c.LookupKey(ctx, org, secret.New(secret.Key))
	_, out["VerifyKey"] = c.VerifyKey(ctx, secret.New(secret.Key))
	_, out["Key"] = c.Key(ctx, org, key)
	_, out["ActiveKey"] = c.ActiveKey(ctx, org)
	_, out["MCP"] = c.MCP(ctx, org)
	_, out["Self"] = c.Self(ctx, secret.New(secret.Key))
	_, out["Orgs"] = c.Orgs(ctx)
	_, out["Members"] = c.Members(ctx, org)
	_, out["AddMember"] = c.AddMember(ctx, org, api.AddMemberRequest{Email: "ada@example.com"})
	_, out["UpdateMember"] = c.UpdateMember(ctx, org, "usr_1", api.RoleAdmin)
	out["RemoveMember"] = c.RemoveMember(ctx, org, "usr_1")
	_, out["ExchangeToken"] = c.ExchangeToken(ctx, "eyJh.eyJi.c2ln", org)
	_, out["TrustRules"] = c.TrustRules(ctx, org)
	_, out["CreateTrustRule"] = c.CreateTrustRule(ctx, org, api.CreateTrustRuleRequest{})
	out["DeleteTrustRule"] = c.DeleteTrustRule(ctx, org, "app")
	out["Keys"] = first(c.Keys(ctx, org, client.ListKeysOptions{}))
	out["KeysJSON"] = first(c.KeysJSON(ctx, org, client.ListKeysOptions{}))
	out["Events"] = first(c.Events(ctx, org, client.ListEventsOptions{}))
	return out
}

// first is the error that a list begins with.
func first[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		return err
	}
	return nil
}
