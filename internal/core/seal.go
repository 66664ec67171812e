package core

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"strconv"

	"github.com/keyfob/keyfob/pkg/secret"
)

// Secrets are sealed with AES-256-GCM, a random nonce before each ciphertext (NIST SP 800-38D §8.2.2), under a random key
// of their org; that key is wrapped the same way under the master key. The associated data ties each blob to its place,
// so that one moved to another row does not open.

const dataKeyLen = 32

func newDataKey(master [32]byte, orgID string) (wrapped []byte, err error) {
	key := make([]byte, dataKeyLen)
	_, _ = rand.Read(key) // never fails: crypto/rand crashes the program rather than return an error
	return seal(master[:], key, "org|"+orgID)
}

func openDataKey(master [32]byte, orgID string, wrapped []byte) ([]byte, error) {
	key, err := unseal(master[:], wrapped, "org|"+orgID)
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", orgID, err)
	}
	return key, nil
}

func sealSecret(dataKey []byte, orgID, keyID string, version int, s secret.Secret) ([]byte, error) {
	return seal(dataKey, []byte(s.Reveal()), place(orgID, keyID, version))
}

func openSecret(dataKey []byte, orgID, keyID string, version int, sealed []byte) (secret.Secret, error) {
	text, err := unseal(dataKey, sealed, place(orgID, keyID, version))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("sealed secret %d of %s: %w", version, keyID, err)
	}
	s, err := secret.Parse(secret.Key, string(text))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("sealed secret %d of %s: %w", version, keyID, err)
	}
	return s, nil
}

// place is org|key|version; ids hold no '|'.
func place(orgID, keyID string, version int) string {
	return orgID + "|" + keyID + "|" + strconv.Itoa(version)
}

func seal(key, text []byte, at string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, text, []byte(at)), nil //nolint:gosec // this AEAD draws the nonce itself
}

func unseal(key, sealed []byte, at string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, []byte(at))
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
