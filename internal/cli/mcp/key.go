package mcp

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

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
	Minted bool // and for one client alone
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

// taken is the keys of a connect: one for all clients, or one for each.
type taken []Key

func (t taken) of(client int) Key {
	if len(t) == 1 {
		return t[0]
	}
	return t[client]
}

// takeKeys returns the keys that the clients get. What was made is withdrawn if one of them can't be had.
func takeKeys(ctx context.Context, opts *ConnectOptions, at site) (taken, error) {
	if !opts.NewKey {
		key, err := SetupKey(ctx, at.session.Client, at.org, opts.Key)
		return taken{key}, err
	}
	host, err := opts.Hostname()
	if err != nil {
		return nil, err
	}
	var keys taken
	for _, c := range opts.Clients {
		key, err := mint(ctx, at.session.Client, at.org, "mcp-"+c.ID+"-"+hostLabel(host))
		if err != nil {
			return nil, keys.withdraw(ctx, opts, at, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// existingKeys is takeKeys for a dry run: where a key would be made, one that exists nowhere stands for it.
func existingKeys(ctx context.Context, opts *ConnectOptions, at site) (taken, error) {
	fresh := taken{{Key: api.Key{ID: "key_to_be_made", Name: "(a key to be made)"}, Secret: secret.New(secret.Key)}}
	switch {
	case opts.NewKey:
		return fresh, nil
	case opts.Key != "":
		key, err := SetupKey(ctx, at.session.Client, at.org, opts.Key)
		return taken{key}, err
	}
	key, found, err := activeKey(ctx, at.session.Client, at.org)
	if err != nil || found {
		return taken{key}, err
	}
	return fresh, nil
}

// hostLabel is the machine's name as it fits into a key's: its first label.
func hostLabel(host string) string {
	label, _, _ := strings.Cut(cliutil.Printable(host), ".")
	if len(label) > 24 {
		label = label[:24]
	}
	return strings.ToValidUTF8(label, "")
}

// mint makes a key of the name, or of the name and a number where that is taken.
func mint(ctx context.Context, c *client.Client, org, name string) (Key, error) {
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try = name + "-" + strconv.Itoa(n)
		}
		key, s, err := c.CreateKey(ctx, org, api.CreateKeyRequest{Name: try})
		if !has(err, api.CodeNameTaken) || n == maxNames {
			return Key{Key: key, Secret: s, Made: true, Minted: true}, err
		}
	}
}

// maxNames is how many names are tried for a new key.
const maxNames = 20

// tell says which keys were made.
func (t taken) tell(out *cliutil.Output) {
	for _, key := range t {
		switch {
		case key.Minted:
			out.Note("Made the key %s.", cliutil.Printable(key.Key.Name))
		case key.Made:
			out.Note("Made the key %s, because the organisation had none to use.", cliutil.Printable(key.Key.Name))
		}
	}
}

// withdraw deletes the keys that were made, since what they were made for has failed with err.
func (t taken) withdraw(ctx context.Context, opts *ConnectOptions, at site, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, key := range t {
		if !key.Made {
			continue
		}
		name := cliutil.Printable(key.Key.Name)
		gone := at.session.Client.DeleteKey(ctx, at.org, key.Key.ID, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
		if gone != nil {
			opts.Out.Note("The key %s was made and could not be deleted: %v. Delete it: keyfob keys delete %s", name, gone, cliutil.Word(key.Key.Name))
			continue
		}
		opts.Out.Note("The key %s, which was made for this, is deleted again.", name)
	}
	return err
}
