package core

import (
	"context"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/secret"
)

// PruneForTest throws away what is old, as the flusher does once a minute.
func PruneForTest(ctx context.Context, s *Service) error { return s.usage.prune(ctx) }

// SettleForTest brings rotations forward that are due, as the sweeper does.
func SettleForTest(ctx context.Context, s *Service) error { return s.settleDue(ctx) }

// NewDataKeyForTest makes the data key of an org, wrapped.
func NewDataKeyForTest(m Material, orgID string) ([]byte, error) {
	return newDataKey(m.MasterKey, orgID)
}

// CleanedForTest is what is kept of what a program says of itself.
func CleanedForTest(s string) string { return cleaned(s) }

// NormalNameForTest says why a name is refused.
func NormalNameForTest(name string) (string, error) { return normalName("the name", name) }

// NormalEmailForTest is an address as it is kept.
func NormalEmailForTest(email string) (string, error) { return normalEmail(email) }

// NewUserCodeForTest draws a user code.
func NewUserCodeForTest() string { return newUserCode() }

// PasswordMatchesForTest checks a password against a hash.
func PasswordMatchesForTest(ctx context.Context, hash, password string) (bool, error) {
	return newHasher().matches(ctx, hash, password)
}

// PasswordHashForTest hashes a password, when the service has a turn for it.
func PasswordHashForTest(ctx context.Context, s *Service, password string) (string, error) {
	return s.hasher.hash(ctx, password)
}

// HoldHashesForTest takes every turn to hash until release is called; meanwhile a wait ends after the given time. Call it before
// the service is used.
func HoldHashesForTest(s *Service, wait time.Duration) (release func()) {
	s.hasher.wait = wait
	for range hashesAtOnce {
		s.hasher.slots <- struct{}{}
	}
	return func() {
		for range hashesAtOnce {
			<-s.hasher.slots
		}
	}
}

// InvitationForTest says whether the store still knows the invitation of a link, open or not.
func InvitationForTest(ctx context.Context, s *Service, token string) error {
	return s.view(ctx, func(tx store.Tx) error {
		_, err := tx.InvitationByDigest(s.keys.peppers.newest().digest(setUpPurpose, token))
		return err
	})
}

// SessionForTest says whether the store still knows a session, over or not.
func SessionForTest(ctx context.Context, s *Service, token secret.Secret) error {
	return s.view(ctx, func(tx store.Tx) error {
		_, _, err := tx.SessionByDigest(s.keys.peppers.newest().secrets.Digest(token))
		return err
	})
}

// IndexLeaseForTest is when another process's changes of keys are seen at the latest.
const IndexLeaseForTest = indexLease

// RemembersForTest says whether unknown secrets are told from those of the store without asking it.
func RemembersForTest(s *Service) bool { return s.index.known.filter.Load() != nil }

// DistrustForTest has the store's secrets read anew.
func DistrustForTest(s *Service) { s.index.known.distrust() }

// HeldForTest counts the secrets that are kept in memory.
func HeldForTest(s *Service) int {
	s.index.mu.RLock()
	defer s.index.mu.RUnlock()
	return len(s.index.holds.at)
}

// EndLeaseForTest has the next check ask the store what it has counted.
func EndLeaseForTest(s *Service) { s.index.fresh.Store(0) }

// ForgetForTest has the store asked for every secret again.
func ForgetForTest(s *Service) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	clear(s.index.holds.at)
}

// OutcomeForTest is how a check that ends with err is counted.
func OutcomeForTest(err error) string { return outcomes()[refusalOf(err)] }

// HaltUseForTest ends the goroutine that writes use, so that a test says where use lies.
func HaltUseForTest(s *Service) { s.usage.halt() }

// RecordUseForTest notes a use of keys by nobody.
func RecordUseForTest(s *Service, ids []string, at time.Time) {
	for _, id := range ids {
		s.usage.record(id, 1, at, Origin{})
	}
}

// FlushUseForTest writes the use of keys that is in memory: of many to the journal.
func FlushUseForTest(ctx context.Context, s *Service) error { return s.usage.flush(ctx) }

// FoldUseForTest moves what is journalled to the keys' rows.
func FoldUseForTest(ctx context.Context, s *Service) error {
	for s.usage.kept.keys > 0 {
		if _, err := s.usage.foldSome(ctx); err != nil {
			return err
		}
	}
	return nil
}

// JournalledForTest counts the keys whose use is journalled.
func JournalledForTest(s *Service) int { return s.usage.kept.keys }

// JournalFromForTest is from how many keys in a flush on use is journalled.
const JournalFromForTest = foldAtOnce

// MovePresentedForTest gives what was presented digests under the newest pepper, as is done every few seconds.
func MovePresentedForTest(ctx context.Context, s *Service) error { return s.movePresented(ctx) }
