package core

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

const tagLen = 16 // bytes

// Seal makes text unreadable and unchangeable for everybody but this service, on any of its replicas. Purpose names what the
// text is for: what was sealed for one opens for no other.
func (s *Service) Seal(purpose string, text []byte) ([]byte, error) {
	key, err := purposeKey(s.keys.MasterKey, purpose)
	if err != nil {
		return nil, err
	}
	return seal(key, text, purpose)
}

// Open returns what Seal was given. Its error says nothing of the text.
func (s *Service) Open(purpose string, sealed []byte) ([]byte, error) {
	key, err := purposeKey(s.keys.MasterKey, purpose)
	if err != nil {
		return nil, err
	}
	text, err := unseal(key, sealed, purpose)
	if err == nil {
		return text, nil
	}
	for _, master := range s.keys.masters.all() { // it was sealed before this process started, or by a replica that started later
		if key, err := purposeKey(master, purpose); err == nil {
			if text, err := unseal(key, sealed, purpose); err == nil {
				return text, nil
			}
		}
	}
	return nil, err
}

// Tag is what only this service, on any of its replicas, can make for a text. The text may be read by anybody.
func (s *Service) Tag(purpose, text string) ([]byte, error) {
	return tag(s.keys.MasterKey, purpose, text)
}

// Tagged says that Tag made the tag for the text.
func (s *Service) Tagged(purpose, text string, presented []byte) bool {
	for _, master := range append([][32]byte{s.keys.MasterKey}, s.keys.masters.all()...) { // as Open
		if made, err := tag(master, purpose, text); err == nil && hmac.Equal(made, presented) {
			return true
		}
	}
	return false
}

func tag(master [32]byte, purpose, text string) ([]byte, error) {
	key, err := purposeKey(master, "tag: "+purpose)
	if err != nil {
		return nil, err
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)[:tagLen], nil
}

// purposeKey is a key of its own for each purpose (RFC 5869), so that none wears the master key's nonces out.
func purposeKey(master [32]byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, "keyfob seal: "+purpose, dataKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}
