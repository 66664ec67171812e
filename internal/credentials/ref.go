package credentials

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyfob/keyfob/pkg/secret"
)

// Ref names one credential.
type Ref struct {
	// Origin is whom the credential is for: scheme://host[:port], lower-case, no path. It goes to nobody else.
	Origin string
	// Context is the name of the context that the credential serves.
	Context string
	// LocalDir is set for the local context only: the absolute path of its data directory, where the session is a file.
	// Store is not looked at then.
	LocalDir string
	// Store is the place that was chosen when the context signed in.
	Store Choice
	// Key is the id of the key whose secret (kf_…) the credential is; empty: it is the session.
	Key string
}

// kind is the kind of secret that the Ref names.
func (r Ref) kind() secret.Kind {
	if r.Key != "" {
		return secret.Key
	}
	return secret.Session
}

// noun is what errors call it.
func (r Ref) noun() string {
	if r.Key != "" {
		return "secret"
	}
	return "session"
}

// account is the name under which the places that keep items keep it. The names of contexts have no slash.
func (r Ref) account() string {
	if r.Key != "" {
		return r.Context + "/" + r.Key
	}
	return r.Context
}

// Choice is a place that a person chose for a credential. The zero Choice is the OS keyring.
type Choice struct {
	// Kind is KindKeyring, KindHelper, KindEncrypted or KindPlain; empty: KindKeyring.
	Kind Kind
	// Helper is the program of KindHelper: an absolute path, or a name to be found on PATH. It takes no arguments of its
	// own.
	Helper string
}

// Kind is a kind of place.
type Kind string

// The kinds of place. A Choice has none of KindEnvironment, KindFile, KindGitHub and KindGitLab, which stand for KEYFOB_TOKEN, for
// the file of the local context or of a CI job's token, and for jobs whose token was exchanged for a session.
const (
	KindEnvironment Kind = "environment"
	KindFile        Kind = "file"
	KindKeyring     Kind = "keyring"
	KindHelper      Kind = "helper"
	KindEncrypted   Kind = "encrypted"
	KindPlain       Kind = "plain"
	KindGitHub      Kind = "github-actions"
	KindGitLab      Kind = "gitlab-ci"
)

// Source is where a credential lies.
type Source struct {
	Kind Kind `json:"kind"`
	// Detail is the name of the variable, the service name of the keyring item, the helper, or the path of the file.
	Detail string `json:"detail"`
}

// String names the place for people: "KEYFOB_TOKEN", "the OS keyring (keyfob:https://…)", "the credential helper …", "the
// file /…", "the file /…, encrypted with a passphrase", "the file /…, not encrypted".
func (s Source) String() string {
	switch s.Kind {
	case KindKeyring:
		return "the OS keyring (" + s.Detail + ")"
	case KindHelper:
		return "the credential helper " + s.Detail
	case KindFile:
		return "the file " + s.Detail
	case KindEncrypted:
		return "the file " + s.Detail + ", encrypted with a passphrase"
	case KindPlain:
		return "the file " + s.Detail + ", not encrypted"
	case KindGitHub:
		return "the token of a GitHub Actions job"
	case KindGitLab:
		return "the token of a GitLab CI job, " + s.Detail
	case KindEnvironment:
	}
	return s.Detail
}

const (
	maxKey     = 64  // bytes
	maxOrigin  = 300 // bytes; a host name has at most 253
	maxContext = 255 // bytes; Windows takes 512 for service and user together
)

// check refuses what a keyring would choke on: macOS reads its command by lines, D-Bus takes no NUL and only UTF-8. It
// names the bad part without its value: an origin with userinfo holds a password.
func check(ctx context.Context, ref Ref) error {
	if ctx.Err() != nil {
		return cancelled(ctx, "")
	}
	if !isOrigin(ref.Origin) {
		return &Error{
			Reason: "the origin of the service is not scheme://host[:port] in lower case",
			Hint:   "give the service's address as https://host, without user, path or query",
		}
	}
	if ref.Context == "" || len(ref.Context) > maxContext || !printable(ref.Context) {
		return &Error{
			Reason: "the name of the context is empty, too long or not printable",
			Hint:   fmt.Sprintf("use 1 to %d bytes of printable UTF-8", maxContext),
		}
	}
	if !isKeyID(ref.Key) {
		return &Error{Reason: "what names the key is not the id of one", Hint: "give the id that `keyfob keys list -q` prints"}
	}
	switch ref.Store.Kind {
	case "", KindKeyring, KindHelper, KindEncrypted, KindPlain:
		return nil
	default:
		return &Error{
			Reason: fmt.Sprintf("no session can be kept in %q", ref.Store.Kind),
			Hint:   "choose keyring, helper, encrypted or plain; keyfob auth login writes it into the context",
		}
	}
}

// isKeyID takes the empty string, too. An id becomes the name of a file.
func isKeyID(s string) bool {
	rest, ok := strings.CutPrefix(s, "key_")
	return s == "" || ok && rest != "" && len(s) <= maxKey && strings.Trim(rest, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxOrigin && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && isASCII(s)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }) < 0
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
