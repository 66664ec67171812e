package client

import (
	"context"
	"net/http"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Every step of a rotation may be made again: it is tried again by itself where that can help.

// OpenRotation opens a rotation of a key, or joins the one that is open, and returns the new secret; the zero Secret says that the
// rotation of this run is promoted already. run names what is being done, such as a CI run, so that its repetition finds the
// rotation again; empty: it has no name.
func (c *Client) OpenRotation(ctx context.Context, org, key, run string, in api.OpenRotationRequest) (api.RotationEnvelope, secret.Secret, error) {
	var out api.RotationOpened
	path := orgPath(org, "keys", key, "rotations")
	err := c.do(ctx, request{method: http.MethodPost, path: path, body: in, idempotency: run, idempotent: true}, &out)
	if err != nil || out.Secret == "" {
		return out.RotationEnvelope, secret.Secret{}, err
	}
	s, err := secret.Parse(secret.Key, out.Secret)
	if err != nil {
		return out.RotationEnvelope, secret.Secret{}, &Error{
			Origin: c.Origin(), Code: CodeOddAnswer, Message: "the service answered with a secret that is none: " + err.Error(),
		}
	}
	return out.RotationEnvelope, s, nil
}

// DeliverRotation says that a sink has the new secret; checked: what lies there was read back and compared.
func (c *Client) DeliverRotation(ctx context.Context, org, key, id, sink string, checked bool) (api.RotationEnvelope, error) {
	return c.step(ctx, org, key, id, "receipts", api.ReceiptRequest{Sink: sink, Checked: checked})
}

// ProveRotation says that the new secret works; the service knows of a use of it, or refuses.
func (c *Client) ProveRotation(ctx context.Context, org, key, id string) (api.RotationEnvelope, error) {
	return c.step(ctx, org, key, id, "prove", nil)
}

// PromoteRotation makes the new secret the current one, now or when it is used.
func (c *Client) PromoteRotation(ctx context.Context, org, key, id string, in api.PromoteRequest) (api.RotationEnvelope, error) {
	return c.step(ctx, org, key, id, "promote", in)
}

// Rotation returns one rotation.
func (c *Client) Rotation(ctx context.Context, org, key, id string) (api.RotationEnvelope, error) {
	var out api.RotationEnvelope
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "keys", key, "rotations", id)}, &out)
	return out, err
}

// RetireRotation ends the old secret of a promoted rotation now.
func (c *Client) RetireRotation(ctx context.Context, org, key, id string) (api.RotationEnvelope, error) {
	return c.step(ctx, org, key, id, "retire", nil)
}

// CancelRotation takes the new secret back; acknowledged: although it was delivered or used, else api.CodeRotationUsed.
func (c *Client) CancelRotation(ctx context.Context, org, key, id string, acknowledged bool) (api.RotationEnvelope, error) {
	return c.step(ctx, org, key, id, "cancel", api.CancelRotationRequest{AcknowledgeUse: acknowledged})
}

func (c *Client) step(ctx context.Context, org, key, id, step string, body any) (api.RotationEnvelope, error) {
	var out api.RotationEnvelope
	path := orgPath(org, "keys", key, "rotations", id, step)
	err := c.do(ctx, request{method: http.MethodPost, path: path, body: body, idempotent: true}, &out)
	return out, err
}

// Rotations returns the newest rotations of a key, newest first.
func (c *Client) Rotations(ctx context.Context, org, key string) ([]api.Rotation, error) {
	var out api.RotationList
	err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "keys", key, "rotations")}, &out)
	return out.Rotations, err
}
