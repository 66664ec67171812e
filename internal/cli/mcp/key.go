package mcp

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// DefaultKeyName names the key that is made when an organisation has none to use.
const DefaultKeyName = "default"

// Key is a key that a setup can carry.
type Key struct {
	Key    api.Key
	Secret secret.Secret
	Made   bool // it was made just now
}

// SetupKey returns the key that setups use: the one that ref names, or with an empty ref the organisation's active key,
// which is made when there is none.
func SetupKey(ctx context.Context, c *client.Client, org, ref string) (Key, error) {
	if ref != "" {
		return namedKey(ctx, c, org, ref)
	}
	key, found, err := activeKey(ctx, c, org)
	if err != nil || found {
		return key, err
	}
	return newKey(ctx, c, org)
}

func activeKey(ctx context.Context, c *client.Client, org string) (key Key, found bool, err error) {
	active, err := c.ActiveKey(ctx, org)
	if has(err, api.CodeNoActiveKey) {
		return Key{}, false, nil
	}
	if err != nil {
		return Key{}, false, err
	}
	k, s, err := c.RevealKey(ctx, org, active.ID)
	return Key{Key: k, Secret: s}, true, err
}

func has(err error, code api.Code) bool {
	answered, ok := errors.AsType[*client.Error](err)
	return ok && answered.Code == code
}

func namedKey(ctx context.Context, c *client.Client, org, ref string) (Key, error) {
	key, err := c.Key(ctx, org, ref)
	if err != nil {
		return Key{}, err
	}
	if key.Status != api.StatusEnabled {
		return Key{}, &cliutil.Error{
			Code: "key-" + string(key.Status), Exit: cliutil.ExitConflict,
			Message: "the key " + key.Name + " is " + string(key.Status) + ", so a client could not connect with it",
			Hint:    "name another key with --key, or leave --key out for the active one",
		}
	}
	key, s, err := c.RevealKey(ctx, org, key.ID)
	return Key{Key: key, Secret: s}, err
}

// newKey makes a key. The name "default" may belong to one that is disabled or expired: then a number follows it. It may
// also have been taken a moment ago by a setup like this one, whose key is then used.
func newKey(ctx context.Context, c *client.Client, org string) (Key, error) {
	name := DefaultKeyName
	for n := '2'; ; n++ {
		key, s, err := c.CreateKey(ctx, org, api.CreateKeyRequest{Name: name})
		if !has(err, api.CodeNameTaken) || n > '9' {
			return Key{Key: key, Secret: s, Made: true}, err
		}
		active, found, err := activeKey(ctx, c, org)
		if err != nil || found {
			return active, err
		}
		name = DefaultKeyName + "-" + string(n)
	}
}
