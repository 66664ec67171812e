package server

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// failuresOf is the address that failed checks of keys in this request count for; the zero Addr: nobody's. Whom a trusted proxy
// names is limited. A gateway that names nobody asks for all of its clients, and what connects from this machine is likely to be a
// proxy of theirs: no such one is limited as a whole.
func failuresOf(r *http.Request, by auth) netip.Addr {
	client := ClientAddress(r)
	if !isNamed(r) && (by == authGateway || client.IsLoopback()) {
		return netip.Addr{}
	}
	return client
}

// checkKey lets a key in, of whichever org, and says what is left of its rate limit.
func (s *Server) checkKey(w http.ResponseWriter, r *http.Request, key string) (core.Caller, error) {
	from := Origin(r)
	from.Address = failuresOf(r, authKey)
	in, err := s.Core.CheckKey(r.Context(), key, from)
	if err == nil {
		setRate(w, in.Rate)
	}
	return in, err
}

// setRate sets the RateLimit headers, if there is a limit.
func setRate(w http.ResponseWriter, rate core.Rate) {
	if left := wireRate(rate); left != nil {
		w.Header()[api.HeaderRateLimitPolicy] = []string{left.Policy()}
		w.Header()[api.HeaderRateLimit] = []string{left.Left()}
	}
}

// wireRate is what is left of a key's limit; nil: it has none.
func wireRate(rate core.Rate) *api.RateLeft {
	if rate.Limit == (api.RateLimit{}) {
		return nil
	}
	return &api.RateLeft{RateLimit: rate.Limit, Remaining: rate.Remaining, ResetSeconds: int64((rate.Reset + time.Second - 1) / time.Second)}
}
