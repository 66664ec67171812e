package openid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Limits of the keys of an issuer.
const (
	maxKeys       = 100              // more than this many are refused
	keysFresh     = time.Hour        // then they are asked for again
	keysCoolDown  = time.Minute      // between two times that they are asked for
	failsCoolDown = 10 * time.Second // likewise, as long as none are known
	minRSA        = 2048             // bits
	maxRSA        = 8192             // bits: a larger one costs time to check
)

// issuer is the keys of one issuer.
type issuer struct {
	url string

	mu     sync.Mutex // held while it is asked, so that many jobs ask once
	keys   []jose.JSONWebKey
	asked  time.Time
	got    time.Time
	failed error // of the last time that it was asked
}

// issuer returns what is kept of an issuer. Those that are kept are bounded: any may go, and is asked again.
func (j *Jobs) issuer(url string) *issuer {
	j.mu.Lock()
	defer j.mu.Unlock()
	if known := j.issuers[url]; known != nil {
		return known
	}
	for old := range j.issuers {
		if len(j.issuers) < maxIssuers {
			break
		}
		delete(j.issuers, old)
	}
	added := &issuer{url: url}
	j.issuers[url] = added
	return added
}

// keysFor returns the issuer's keys of a kid. It asks the issuer if there is none, or if what is known is old, but not more often
// than the cool-down allows; keys that are known stay until there are others.
func (i *issuer) keysFor(ctx context.Context, j *Jobs, kid string, now time.Time) ([]jose.JSONWebKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	found := i.of(kid)
	if len(found) > 0 && now.Sub(i.got).Abs() < keysFresh {
		return found, nil
	}
	wait := keysCoolDown
	if len(i.keys) == 0 {
		wait = failsCoolDown
	}
	if i.asked.IsZero() || now.Sub(i.asked).Abs() >= wait {
		i.asked = now
		var keys []jose.JSONWebKey
		// Without the job's own end: others wait for the answer, and the requests have a limit of their own.
		if keys, i.failed = j.fetch(context.WithoutCancel(ctx), i.url); i.failed == nil {
			i.keys, i.got = keys, now
		}
		found = i.of(kid)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case i.failed != nil:
		return nil, fmt.Errorf("the issuer's keys can't be read: %w", i.failed)
	}
	return nil, errors.New("the issuer has no key of this kid")
}

func (i *issuer) of(kid string) (out []jose.JSONWebKey) {
	for _, k := range i.keys {
		if k.KeyID == kid {
			out = append(out, k)
		}
	}
	return out
}

// fetch asks an issuer for its keys: two requests, within the time of one.
func (j *Jobs) fetch(ctx context.Context, url string) ([]jose.JSONWebKey, error) {
	if err := j.CheckIssuer(url); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var doc struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	asker := &Provider{http: j.http}
	if err := asker.get(ctx, strings.TrimSuffix(url, "/")+"/.well-known/openid-configuration", "", &doc); err != nil {
		return nil, err
	}
	if doc.Issuer != url {
		return nil, fmt.Errorf("the discovery document is of the issuer %s", shown(doc.Issuer))
	}
	at, err := checkURL(doc.KeysURL)
	if err != nil {
		return nil, fmt.Errorf("its jwks_uri %w", err)
	}
	if err := j.away(doc.KeysURL); err != nil {
		return nil, err
	}
	if at.Scheme == "http" && strings.HasPrefix(url, "https:") {
		return nil, errors.New("its jwks_uri is plain http")
	}
	var set struct {
		Keys []stdjson.RawMessage `json:"keys"`
	}
	if err := asker.get(ctx, doc.KeysURL, "", &set); err != nil {
		return nil, err
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("there are %d of them: at most %d", len(set.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(raw); err == nil && usable(k) { // one of a kind that is not known is none of ours
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there are none that are usable")
	}
	return keys, nil
}

// usable says whether a key can sign what algorithms lists.
func usable(k jose.JSONWebKey) bool {
	if k.KeyID == "" || k.Use != "" && k.Use != "sig" {
		return false
	}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return bits >= minRSA && bits <= maxRSA
	case *ecdsa.PublicKey:
		return public.Curve == elliptic.P256()
	}
	return false
}
