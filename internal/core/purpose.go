package core

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Seal makes text unreadable and unchangeable for everybody but this service, on any of its replicas. Purpose names what the
// text is for: what was sealed for one opens for no other.
func (s *Service) Seal(purpose string, text []byte) ([]byte, error) {
	key, err := s.purposeKey(purpose)
	if err != nil {
		return nil, err
	}
	return seal(key, text, purpose)
}

// Open returns what Seal was given. Its error says nothing of the text.
func (s *Service) Open(purpose string, sealed []byte) ([]byte, error) {
	key, err := s.purposeKey(purpose)
	if err != nil {
		return nil, err
	}
	return unseal(key, sealed, purpose)
}

// purposeKey is a key of its own for each purpose (RFC 5869), so that none wears the master key's nonces out.
func (s *Service) purposeKey(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, s.keys.MasterKey[:], nil, "keyfob seal: "+purpose, dataKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}
