package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	deviceLimit    = 10 * time.Minute
	deviceInterval = 2 * time.Second
	devicesMax     = 10_000 // that live
	devicesPerIP   = 20     // likewise
	devicesRetry   = time.Minute
	codeDraws      = 5 // of 20^8 codes 10 000 are taken

	devicePurpose = "device"
)

// What PollDevice answers (RFC 8628 §3.5).
var (
	ErrDevicePending  = errors.New("the user has not decided yet")
	ErrDeviceSlowDown = errors.New("polled sooner than the interval allows")
	ErrDeviceDenied   = errors.New("the user refused")
	ErrDeviceExpired  = errors.New("the device code is unknown, used or expired")
)

// StartDevice begins to sign a program in (RFC 8628 §3.1) that asks from the IP address. What c says is shown to the user and
// proves nothing. CodeTooManyTries: too many are waiting, of this address or of all.
func (s *Service) StartDevice(ctx context.Context, c Client, address string) (DeviceStart, error) {
	deviceCode := rand.Text()
	row := store.NewDeviceGrant{
		DeviceGrant: store.DeviceGrant{State: store.GrantPending, Client: cleaned(c.Name), Host: cleaned(c.Host), Address: brief(address)},
	}
	if row.Address == "" {
		row.Address = "unknown"
	}
	err := store.ErrExists
	for draw := 0; draw < codeDraws && errors.Is(err, store.ErrExists); draw++ {
		row.UserCode = newUserCode()
		err = s.update(ctx, func(tx store.Tx) error { return s.addGrant(tx, &row, deviceCode) })
	}
	if err != nil {
		return DeviceStart{}, fmt.Errorf("start a device: %w", err)
	}
	return DeviceStart{DeviceCode: deviceCode, UserCode: shownCode(row.UserCode), Lifetime: deviceLimit, Interval: deviceInterval}, nil
}

func (s *Service) addGrant(tx store.Tx, row *store.NewDeviceGrant, deviceCode string) error {
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return err
	}
	row.Digest, row.PepperID = pepper.digest(devicePurpose, deviceCode), pepper.id
	row.CreatedAt = s.now()
	row.ExpiresAt = row.CreatedAt.Add(deviceLimit)
	for address, most := range map[string]int{row.Address: devicesPerIP, "": devicesMax} {
		n, err := tx.CountDeviceGrants(address, row.CreatedAt)
		if err != nil {
			return err
		}
		if n >= most {
			return tooMany("too many programs wait to be signed in", devicesRetry)
		}
	}
	if row.ID, err = newID(grantPrefix); err != nil {
		return err
	}
	return tx.AddDeviceGrant(*row)
}

// Device returns the program that waits under a user code, for the principal to decide on. CodeNotFound: none does; the sixth such
// answer within ten minutes, and all that come after, are CodeTooManyTries, even for a right code.
func (s *Service) Device(ctx context.Context, p Principal, userCode string) (DeviceGrant, error) {
	var out DeviceGrant
	err := s.withGrant(ctx, p, userCode, func(_ store.Tx, g store.DeviceGrant) error {
		out = DeviceGrant{
			UserCode: shownCode(g.UserCode), Client: Client{Name: g.Client, Host: g.Host}, Address: g.Address,
			CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt,
		}
		return nil
	})
	if err != nil {
		return DeviceGrant{}, fmt.Errorf("find a device: %w", err)
	}
	return out, nil
}

// DecideDevice lets the program that waits under a user code sign in as the principal, or refuses it; once. Errors are those of
// Device.
func (s *Service) DecideDevice(ctx context.Context, p Principal, userCode string, approve bool) error {
	state, event := store.GrantDenied, "device.denied"
	if approve {
		state, event = store.GrantApproved, "device.approved"
	}
	err := s.withGrant(ctx, p, userCode, func(tx store.Tx, g store.DeviceGrant) error {
		mark, err := s.stoppedAt(tx, p.User.ID)
		if err != nil {
			return err
		}
		g.State, g.UserID = state, p.User.ID
		g.PolledAt = later(s.now(), mark) // no poll's from here on, but the decision's: see stopDevices
		if err := tx.UpdateDeviceGrant(g, store.GrantPending); err != nil {
			return err
		}
		return s.userEvent(tx, event, p.Actor(), p.User.ID, facts("client", g.Client, "host", g.Host, "address", g.Address))
	})
	if err != nil {
		return fmt.Errorf("decide on a device: %w", err)
	}
	return nil
}

// withGrant runs fn on the grant that waits under the user code. That none does is counted.
func (s *Service) withGrant(ctx context.Context, p Principal, userCode string, fn func(store.Tx, store.DeviceGrant) error) error {
	if err := p.notToken("sign programs in"); err != nil {
		return err
	}
	code, valid := normalUserCode(userCode)
	var refused error // to be told once the count is written
	err := s.update(ctx, func(tx store.Tx) error {
		now := s.now()
		refused = nil
		tries, err := userCodeLimit().count(tx, p.User.ID, now)
		if err != nil {
			return err
		}
		var g store.DeviceGrant
		if err = store.ErrNotFound; valid {
			g, err = tx.DeviceGrantByUserCode(code)
		}
		if err == nil && g.State == store.GrantPending && !past(g.ExpiresAt, now) {
			return fn(tx, g)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		refused = refusef(api.CodeNotFound, "compare it with the one that the program shows; if that is more than ten minutes old, begin again there",
			"no program waits under the code %s", shown(userCode))
		tries.Count++
		return tx.PutTries(tries)
	})
	if err != nil {
		return err
	}
	return refused
}

// PollDevice answers a program that waits: ErrDevicePending, ErrDeviceSlowDown, ErrDeviceDenied, ErrDeviceExpired, and when it was
// approved, the session. That is one and the same while the grant lives, until it was first used: a program whose answer was lost
// asks again.
func (s *Service) PollDevice(ctx context.Context, deviceCode string) (SignedIn, error) {
	var (
		out   SignedIn
		state error
		g     store.DeviceGrant
	)
	read := func(tx store.Tx) error {
		err := s.keys.peppers.find(tx, func(p *pepper) (err error) {
			g, err = tx.DeviceGrantByDigest(p.digest(devicePurpose, deviceCode))
			return err
		})
		if err == nil {
			err = s.pollable(g)
		}
		if err == nil && g.State == store.GrantUsed {
			out, err = s.sessionAgain(tx, g, deviceCode)
		}
		return err
	}
	err := s.view(ctx, read) // who presents junk does not get a turn to write
	if err == nil && g.State != store.GrantUsed {
		err = s.update(ctx, func(tx store.Tx) (err error) {
			if err = read(tx); err == nil && g.State != store.GrantUsed {
				out, state, err = s.poll(tx, g, deviceCode)
			}
			return err
		})
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
		err = ErrDeviceExpired
	}
	if err == nil {
		err = state
	}
	if err != nil {
		return SignedIn{}, fmt.Errorf("poll a device: %w", err)
	}
	return out, nil
}

// pollable says what a poll is answered that changes nothing.
func (s *Service) pollable(g store.DeviceGrant) error {
	now := s.now()
	age := now.Sub(g.PolledAt)
	switch {
	case past(g.ExpiresAt, now):
		return ErrDeviceExpired
	case g.State == store.GrantDenied:
		return ErrDeviceDenied
	case g.State == store.GrantPending && !g.PolledAt.IsZero() && age >= 0 && age < deviceInterval:
		return ErrDeviceSlowDown
	}
	return nil
}

// poll notes that a program has asked, or gives it its session. state is what to answer once that is written.
func (s *Service) poll(tx store.Tx, g store.DeviceGrant, deviceCode string) (out SignedIn, state, err error) {
	was := g.State
	if was == store.GrantPending {
		g.PolledAt = s.now()
		return SignedIn{}, ErrDevicePending, tx.UpdateDeviceGrant(g, was)
	}
	mark, err := s.stoppedAt(tx, g.UserID)
	if err != nil {
		return SignedIn{}, nil, err
	}
	if stopped := !mark.Before(g.PolledAt); stopped {
		g.State = store.GrantDenied
		return SignedIn{}, ErrDeviceDenied, tx.UpdateDeviceGrant(g, was)
	}
	user, err := tx.User(g.UserID)
	if err != nil {
		return SignedIn{}, nil, err
	}
	if out, err = s.deviceSession(tx, user, &g, deviceCode); err != nil {
		return SignedIn{}, nil, err
	}
	g.State = store.GrantUsed
	return out, nil, tx.UpdateDeviceGrant(g, was)
}

// stoppedKind marks, among the tries, when a user was last signed out everywhere. It need not live longer than a device waits.
const stoppedKind = "signed out"

// stopDevices keeps what the user approved until now from becoming a session.
func (s *Service) stopDevices(tx store.Tx, userID string) error {
	mark, err := s.stoppedAt(tx, userID)
	if err != nil {
		return err
	}
	return tx.PutTries(store.Tries{Kind: stoppedKind, Subject: userID, Since: later(s.now(), mark)})
}

// stoppedAt returns the mark of stopDevices; the zero time is none.
func (s *Service) stoppedAt(tx store.Tx, userID string) (time.Time, error) {
	mark, err := tx.Tries(stoppedKind, userID)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	return mark.Since, err
}

// later is now, or the moment after the mark where the clock has not come so far.
func later(now, mark time.Time) time.Time {
	if now.After(mark) {
		return now
	}
	return mark.Add(time.Microsecond)
}
