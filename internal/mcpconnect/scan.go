package mcpconnect

import (
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Standing is an entry as it stands in a client's file now.
type Standing struct {
	Client mcpclient.Client
	Scope  mcpclient.Scope
	Path   string
	Name   string
	Line   int
	URL    string
	Rung   mcpclient.Rung
	Key    secret.Secret // that stands in the entry; zero: none does
	EnvVar string
	// Helper and Proxy are argv.
	Helper, Proxy []string
	// KeyID is the id of the key that the entry names; empty where it holds one or refers to a variable.
	KeyID string
	// Written is the id of the key whose secret Keyfob wrote into the entry; empty: it wrote none, or the entry was changed since.
	Written string
	// Minted says that the key was made for the client alone.
	Minted bool
	// Drift says what is not as it was set up.
	Drift []string
}

// Trouble is a file that could not be looked into.
type Trouble struct {
	Client mcpclient.Client
	Path   string
	Err    error
}

// Scan finds the entries that carry a key of Keyfob's, run it or point to one of the URLs, in every file of the clients. It
// writes nothing and waits for nobody.
func (c Connector) Scan(clients []mcpclient.Client, urls ...string) ([]Standing, []Trouble) {
	list := &ledger{}
	var troubles []Trouble
	if f, err := userfile.Read(c.ledger()); err == nil {
		if known, err := parseLedger(f); err == nil {
			list = &known
		}
	}
	var all []Standing
	for _, client := range clients {
		for _, target := range client.Known(c.Where) {
			if !c.Where.Exists(target.Path) {
				continue
			}
			found, err := c.scanFile(list, client, target, urls)
			if err != nil {
				troubles = append(troubles, Trouble{Client: client, Path: target.Path, Err: err})
			}
			all = append(all, found...)
		}
	}
	markDuplicates(all)
	return all, troubles
}

func (c Connector) scanFile(list *ledger, client mcpclient.Client, target mcpclient.Target, urls []string) ([]Standing, error) {
	file, err := userfile.Read(target.Path)
	if err != nil {
		return nil, err
	}
	entries, err := edit.Entries(target.Format, file.Data, target.Place)
	if err != nil {
		return nil, fileError(client.ID, target.Path, err)
	}
	var all []Standing
	for _, e := range entries {
		found, ok := client.Read(target, e)
		known := list.find(target.Path, target.Place, e.Name)
		if !ok || known == nil && !ours(found) && !slices.ContainsFunc(urls, func(u string) bool { return sameURL(u, found.URL) }) {
			continue
		}
		at := Standing{
			Client: client, Scope: target.Scope, Path: target.Path, Name: e.Name, Line: e.Line, URL: found.URL, Rung: found.Rung,
			Key: found.Key, EnvVar: found.EnvVar,
		}
		if mcpclient.RunsKeyfob(found.Helper, "headers") {
			at.Helper, at.KeyID = found.Helper, keyID(found.Helper)
		}
		if mcpclient.RunsKeyfob(found.Argv, "proxy") {
			at.Proxy, at.KeyID = found.Argv, keyID(found.Argv)
		}
		if at.URL == "" && known != nil {
			at.URL = known.URL
		}
		at.remember(known, e.Value)
		at.Drift, err = c.drift(at, e, known, file, target)
		if err != nil {
			return all, err
		}
		all = append(all, at)
	}
	return all, nil
}

// remember takes from the list of connections what the entry does not say itself.
func (s *Standing) remember(known *connection, value any) {
	if known == nil {
		return
	}
	s.Minted = known.Minted
	if sum, err := digest(value); err == nil && sum == known.Digest && known.Rung == mcpclient.RungLiteral {
		s.Written = known.KeyID
	}
}

// drift compares what stands there with what was set up.
func (c Connector) drift(at Standing, e edit.Entry, known *connection, file userfile.File, target mcpclient.Target) ([]string, error) {
	var drift []string
	if known == nil {
		drift = append(drift, "not set up by keyfob here")
	} else if sum, err := digest(e.Value); err != nil {
		return nil, err
	} else if sum != known.Digest {
		drift = append(drift, "edited by hand")
	}
	if !at.Key.IsZero() && file.Mode()&0o077 != 0 {
		drift = append(drift, "the file with the key can be read by others")
	}
	for _, argv := range [][]string{at.Helper, at.Proxy} {
		if len(argv) == 0 {
			continue
		}
		program := argv[0]
		if strings.ContainsAny(program, `/\`) && !c.Where.Exists(program) {
			drift = append(drift, "the program "+program+" is gone")
		}
	}
	if target.Old {
		drift = append(drift, "in a place that the client has left")
	}
	return drift, nil
}

// markDuplicates says where one client has the same server twice.
func markDuplicates(all []Standing) {
	for i := range all {
		for j := range all[:i] {
			if all[i].Client.ID == all[j].Client.ID && all[i].Scope == all[j].Scope && sameURL(all[i].URL, all[j].URL) {
				all[i].Drift = append(all[i].Drift, "the same server as "+all[j].Name)
			}
		}
	}
}

// keyID is the value of --key.
func keyID(argv []string) string {
	for i, word := range argv {
		if word == "--key" && i+1 < len(argv) {
			return argv[i+1]
		}
		if value, ok := strings.CutPrefix(word, "--key="); ok {
			return value
		}
	}
	return ""
}
