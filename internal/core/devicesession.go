package core

import (
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	// firstUse is how long a program has to use the session that it waited for. One whose answer was lost for good ends then, and
	// not after IdleLimit.
	firstUse = 10 * time.Minute

	deviceTokenPurpose = "device token"
)

// deviceSession makes the session of a grant and seals its token into the grant, under a key that is made of the device code: who
// reads the store, or a copy of it, opens nothing with that.
func (s *Service) deviceSession(tx store.Tx, user store.User, g *store.DeviceGrant, deviceCode string) (SignedIn, error) {
	out, err := s.begin(tx, user, store.Session{
		UserID: user.ID, Kind: string(api.SessionCLI), Name: g.Client, Host: g.Host, FirstUseBy: s.now().Add(firstUse),
	})
	if err != nil {
		return SignedIn{}, err
	}
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return SignedIn{}, err
	}
	key := pepper.digest(deviceTokenPurpose, deviceCode)
	g.Sealed, err = seal(key[:], []byte(out.Token.Reveal()), g.ID)
	return out, err
}

// sessionAgain returns the session of a grant once more. A device code is worth nothing after the session was first used: whoever
// finds one then gets ErrDeviceExpired.
func (s *Service) sessionAgain(tx store.Tx, g store.DeviceGrant, deviceCode string) (SignedIn, error) {
	if g.Sealed == nil { // used before tokens were kept
		return SignedIn{}, ErrDeviceExpired
	}
	var text []byte
	err := s.keys.peppers.find(tx, func(p *pepper) (err error) {
		key := p.digest(deviceTokenPurpose, deviceCode)
		if text, err = unseal(key[:], g.Sealed, g.ID); err != nil {
			err = store.ErrNotFound
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) { // it is damaged, and no missing row
		return SignedIn{}, fmt.Errorf("sealed token of %s: it opens under no pepper", g.ID)
	}
	if err != nil {
		return SignedIn{}, err
	}
	token, err := secret.Parse(secret.Session, string(text))
	if err != nil {
		return SignedIn{}, fmt.Errorf("sealed token of %s: %w", g.ID, err)
	}
	var row store.Session
	err = s.keys.peppers.find(tx, func(p *pepper) (err error) {
		row, _, err = tx.SessionByDigest(p.secrets.Digest(token))
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (!row.LastUsedAt.IsZero() || over(row, s.now()) != "") {
		return SignedIn{}, ErrDeviceExpired
	}
	return SignedIn{Token: token, Session: sessionOf(row, store.Org{})}, err
}
