package openid

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"github.com/keyfob/keyfob/internal/core"
)

// Limits of a job's token.
const (
	maxToken    = 16 << 10       // bytes
	maxLifetime = 24 * time.Hour // its jti is remembered for as long
	maxText     = 255            // bytes, of its jti and kid
	maxIssuers  = 1000           // whose keys are kept
)

// Jobs checks the ID tokens that platforms sign for the jobs of pipelines. It is safe for concurrent use.
type Jobs struct {
	http     *http.Client
	loopback bool

	mu      sync.Mutex
	issuers map[string]*issuer
}

var _ core.TokenVerifier = (*Jobs)(nil)

// NewJobs returns a Jobs that asks issuers with a client like base, but within its own limits; nil: one of its own. loopback lets
// an issuer be on this machine, which is for a service that serves this machine alone: whoever may make rules on any other could
// have it knock at its neighbours' doors.
func NewJobs(base *http.Client, loopback bool) *Jobs {
	return &Jobs{http: bounded(base, requestTimeout), loopback: loopback, issuers: map[string]*issuer{}}
}

// CheckIssuer says why a string can't be the issuer of jobs' tokens.
func (j *Jobs) CheckIssuer(issuer string) error {
	if err := CheckIssuer(issuer); err != nil {
		return err
	}
	return j.away(issuer)
}

// away refuses a URL on this machine, unless that is allowed.
func (j *Jobs) away(raw string) error {
	u, err := checkURL(raw)
	if err != nil {
		return err
	}
	ip := net.ParseIP(u.Hostname())
	if !j.loopback && (u.Scheme != "https" || strings.EqualFold(u.Hostname(), "localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())) {
		return errors.New("the issuer or its keys are on the service's own machine")
	}
	return nil
}

// jobHeader is what is looked at of a token's header. The members that would bring a key along, or name a place to fetch one from,
// are there to be refused.
type jobHeader struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ"`
	Content   any    `json:"cty"`
	Key       any    `json:"jwk"`
	KeyURL    any    `json:"jku"`
	Chain     any    `json:"x5c"`
	ChainURL  any    `json:"x5u"`
	Critical  any    `json:"crit"`
}

// parts takes the token apart without checking its signature.
func parts(token string) (header jobHeader, said map[string]any, err error) {
	if len(token) > maxToken {
		return header, nil, fmt.Errorf("the token has more than %d bytes", maxToken)
	}
	three := strings.Split(token, ".")
	if len(three) != 3 || strings.ContainsAny(token, "{ \t\r\n") {
		return header, nil, errors.New("the token is no signed JWT")
	}
	decoded := make([][]byte, 2)
	for i := range decoded {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(three[i]); err != nil {
			return header, nil, errors.New("the token is no signed JWT")
		}
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil {
		return header, nil, errors.New("the token's header does not have the right form")
	}
	if err := json.Unmarshal(decoded[1], &said); err != nil || said == nil {
		return header, nil, errors.New("the token holds no claims, or one of them twice")
	}
	return header, said, nil
}

// Peek implements core.TokenVerifier.
func (*Jobs) Peek(token string) (string, map[string]any, error) {
	_, said, err := parts(token)
	if err != nil {
		return "", nil, err
	}
	iss, _ := said["iss"].(string)
	if iss == "" || len(iss) > maxIssuer {
		return "", nil, errors.New("iss is missing or too long")
	}
	return iss, said, nil
}

// Verify implements core.TokenVerifier. It asks the issuer for its keys where they are not known; whoever calls has checked that
// the issuer is trusted.
func (j *Jobs) Verify(ctx context.Context, iss, token string, now time.Time) (core.JobToken, error) {
	header, said, err := parts(token)
	if err != nil {
		return core.JobToken{}, err
	}
	if err := header.check(); err != nil {
		return core.JobToken{}, err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil {
		return core.JobToken{}, errors.New("the token is no signed JWT")
	}
	keys, err := j.issuer(iss).keysFor(ctx, j, header.KeyID, now)
	if err != nil {
		return core.JobToken{}, err
	}
	if !slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		if k.Algorithm != "" && k.Algorithm != header.Algorithm {
			return false
		}
		_, err := signed.Verify(k)
		return err == nil
	}) {
		return core.JobToken{}, errors.New("the issuer's key of this kid did not sign the token")
	}
	return checkTimes(iss, said, now)
}

// check refuses a header that asks for anything but one of the issuer's keys.
func (h jobHeader) check() error {
	switch {
	case !slices.Contains(algorithms(), h.Algorithm):
		return fmt.Errorf("alg is %s, not %s", shown(h.Algorithm), strings.Join(algorithms(), " or "))
	case h.KeyID == "" || len(h.KeyID) > maxText:
		return errors.New("kid is missing or too long")
	case h.Type != "" && !strings.EqualFold(h.Type, "JWT"):
		return fmt.Errorf("typ is %s, not JWT", shown(h.Type))
	case h.Content != nil:
		return errors.New("the token holds another token")
	case h.Key != nil || h.KeyURL != nil || h.Chain != nil || h.ChainURL != nil:
		return errors.New("the header brings a key of its own, or says where one is")
	case h.Critical != nil:
		return errors.New("the header has a member crit, and none is understood")
	}
	return nil
}

// checkTimes checks the registered claims of RFC 7519 §4.1 but for the audience, which is the caller's.
func checkTimes(iss string, said map[string]any, now time.Time) (core.JobToken, error) {
	out := core.JobToken{Claims: said}
	out.ID, _ = said["jti"].(string)
	expires, hasExp := wholeMoment(said["exp"])
	issued, hasIat := wholeMoment(said["iat"])
	from, hasNbf := wholeMoment(said["nbf"])
	var ok bool
	out.Audience, ok = audience(said["aud"])
	switch {
	case said["iss"] != iss:
		return out, errors.New("iss is another")
	case out.ID == "" || len(out.ID) > maxText:
		return out, fmt.Errorf("jti is not a string of 1 to %d bytes", maxText)
	case !ok:
		return out, errors.New("aud is missing or no string")
	case !hasExp:
		return out, errors.New("exp is missing or no whole number of seconds")
	case !now.Before(expires.Add(leeway)):
		return out, errors.New("exp is past")
	case expires.After(now.Add(maxLifetime)):
		return out, fmt.Errorf("exp is more than %s ahead", maxLifetime)
	case !hasIat:
		return out, errors.New("iat is missing or no whole number of seconds")
	case issued.After(now.Add(leeway)):
		return out, errors.New("iat is in the future")
	case said["nbf"] != nil && (!hasNbf || from.After(now.Add(leeway))):
		return out, errors.New("nbf is in the future, or no whole number of seconds")
	}
	const margin = time.Minute // for a replica whose clock is behind
	out.Expires = expires.Add(leeway + margin)
	return out, nil
}

// audience returns whom a token is for: aud is a string, or strings.
func audience(v any) ([]string, bool) {
	switch a := v.(type) {
	case string:
		return []string{a}, a != ""
	case []any:
		var out []string
		for _, one := range a {
			s, ok := one.(string)
			if !ok || s == "" {
				return nil, false
			}
			out = append(out, s)
		}
		return out, len(out) > 0
	}
	return nil, false
}

// wholeMoment is a NumericDate without a fraction: no platform sends one.
func wholeMoment(v any) (time.Time, bool) {
	seconds, ok := v.(float64)
	if !ok || seconds != float64(int64(seconds)) {
		return time.Time{}, false
	}
	return moment(&seconds)
}
