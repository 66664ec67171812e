package core

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// outcomes are how checks of keys can end, in the order in which they are counted. The last is for all else: a store that
// does not answer.
func outcomes() []string {
	return []string{"valid", "unknown", "disabled", "expired", "forbidden", "limited", "failed"}
}

// checkCounts are checks of keys by outcome.
type checkCounts [7]atomic.Uint64

// count takes part in every check: what is common costs a comparison and an addition.
func (c *checkCounts) count(err, unknown error) {
	switch err {
	case nil:
		c[0].Add(1)
	case unknown: //nolint:errorlint // it is this very error, or another refusal
		c[1].Add(1)
	default:
		c[refusalOf(err)].Add(1)
	}
}

func refusalOf(err error) int {
	if known, ok := errors.AsType[*Error](err); ok {
		switch known.Code {
		case api.CodeUnauthenticated:
			return 1
		case api.CodeKeyDisabled:
			return 2
		case api.CodeKeyExpired:
			return 3
		case api.CodeForbidden:
			return 4
		case api.CodeTooManyTries, api.CodeRateLimited:
			return 5
		default: // the store's
		}
	}
	return 6
}

// Checks is how many checks of keys ended in which way since the start; every outcome is there from the beginning.
func (s *Service) Checks() map[string]uint64 {
	all := map[string]uint64{}
	for i, outcome := range outcomes() {
		all[outcome] = s.checks[i].Load()
	}
	return all
}

// UsesWrittenAt is when the use of keys was last written, or there was none to write; at first, when the service was made.
func (s *Service) UsesWrittenAt() time.Time { return time.UnixMicro(s.usage.written.Load()) }
