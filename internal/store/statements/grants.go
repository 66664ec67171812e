package statements

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const grantColumns = `g.id, g.user_code, g.state, g.client, g.host, g.address, g.user_id, g.created_at, g.expires_at, g.polled_at, g.sealed`

func grantInto(g *store.DeviceGrant) []any {
	return []any{
		&g.ID, &g.UserCode, &g.State, &g.Client, &g.Host, &g.Address,
		text{&g.UserID},
		moment{&g.CreatedAt},
		moment{&g.ExpiresAt},
		moment{&g.PolledAt},
		&g.Sealed,
	}
}

// AddDeviceGrant implements store.Tx.
func (t *Tx) AddDeviceGrant(g store.NewDeviceGrant) error {
	const q = `INSERT INTO device_grants (id, user_code, digest, pepper_id, state, client, host, address, user_id, created_at, expires_at, polled_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	return t.add("device grant", q, g.ID, g.UserCode, g.Digest[:], g.PepperID, g.State, g.Client, g.Host, g.Address, TextOrNull(g.UserID),
		micros(g.CreatedAt), micros(g.ExpiresAt), orNull(g.PolledAt))
}

const (
	grantByDigest   = `SELECT ` + grantColumns + ` FROM device_grants g WHERE g.digest = $1`
	grantByUserCode = `SELECT ` + grantColumns + ` FROM device_grants g WHERE g.user_code = $1`
)

// DeviceGrantByDigest implements store.Tx.
func (t *Tx) DeviceGrantByDigest(digest [32]byte) (g store.DeviceGrant, err error) {
	err = t.row("device grant", grantByDigest, []any{digest[:]}, grantInto(&g)...)
	return g, err
}

// DeviceGrantByUserCode implements store.Tx.
func (t *Tx) DeviceGrantByUserCode(code string) (g store.DeviceGrant, err error) {
	err = t.row("device grant", grantByUserCode, []any{code}, grantInto(&g)...)
	return g, err
}

// UpdateDeviceGrant implements store.Tx.
func (t *Tx) UpdateDeviceGrant(g store.DeviceGrant, from string) error {
	const q = `UPDATE device_grants SET state = $3, user_id = $4, polled_at = $5, sealed = $6 WHERE id = $1 AND state = $2`
	return t.change("device grant", store.ErrConflict, q, g.ID, from, g.State, TextOrNull(g.UserID), orNull(g.PolledAt), g.Sealed)
}

const (
	countGrants   = `SELECT count(*) FROM device_grants g WHERE g.expires_at > $1`
	countGrantsOf = countGrants + ` AND g.address = $2`
)

// CountDeviceGrants implements store.Tx.
func (t *Tx) CountDeviceGrants(address string, now time.Time) (n int, err error) {
	query, args := countGrants, []any{micros(now)}
	if address != "" {
		query, args = countGrantsOf, append(args, address)
	}
	err = t.row("device grants", query, args, &n)
	return n, err
}

// Tries implements store.Tx.
func (t *Tx) Tries(kind, subject string) (store.Tries, error) {
	c := store.Tries{Kind: kind, Subject: subject}
	const q = `SELECT count, since FROM tries WHERE kind = $1 AND subject = $2`
	err := t.row("tries", q, []any{kind, subject}, &c.Count, moment{&c.Since})
	return c, err
}

// PutTries implements store.Tx.
func (t *Tx) PutTries(c store.Tries) error {
	const q = `INSERT INTO tries (kind, subject, count, since) VALUES ($1, $2, $3, $4)
		ON CONFLICT (kind, subject) DO UPDATE SET count = excluded.count, since = excluded.since`
	return t.exec("tries", q, c.Kind, c.Subject, c.Count, micros(c.Since))
}

// ForgetTries implements store.Tx.
func (t *Tx) ForgetTries(kind, subject string) error {
	return t.exec("tries", `DELETE FROM tries WHERE kind = $1 AND subject = $2`, kind, subject)
}
