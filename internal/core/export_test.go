package core

import "context"

// PruneForTest throws away what is old, as the flusher does once a minute.
func PruneForTest(ctx context.Context, s *Service) error { return s.usage.prune(ctx) }

// NewDataKeyForTest makes the data key of an org, wrapped.
func NewDataKeyForTest(m Material, orgID string) ([]byte, error) {
	return newDataKey(m.MasterKey, orgID)
}
