package statements

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

const invitationColumns = `i.id, i.kind, i.org_id, i.email, i.role, i.invited_by_type, i.invited_by_id, i.invited_by_name,
	i.created_at, i.expires_at, i.closed_at`

func invitationInto(i *store.Invitation) []any {
	return []any{
		&i.ID, &i.Kind,
		text{&i.OrgID},
		&i.Email, &i.Role, &i.InvitedBy.Type, &i.InvitedBy.ID, &i.InvitedBy.Name,
		moment{&i.CreatedAt},
		moment{&i.ExpiresAt},
		moment{&i.ClosedAt},
	}
}

const closeEarlier = `UPDATE invitations SET closed_at = $5
	WHERE email = $1 AND kind = $2 AND org_id IS NOT DISTINCT FROM $3 AND id <> $4 AND closed_at IS NULL`

// AddInvitation implements store.Tx.
func (t *Tx) AddInvitation(i store.NewInvitation) error {
	const q = `INSERT INTO invitations (id, kind, org_id, email, role, invited_by_type, invited_by_id, invited_by_name,
		digest, pepper_id, created_at, expires_at, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	err := t.add("invitation", q, i.ID, i.Kind, TextOrNull(i.OrgID), i.Email, i.Role, i.InvitedBy.Type, i.InvitedBy.ID, i.InvitedBy.Name,
		i.Digest[:], i.PepperID, micros(i.CreatedAt), micros(i.ExpiresAt), orNull(i.ClosedAt))
	if err != nil {
		return err
	}
	return t.exec("invitations", closeEarlier, i.Email, i.Kind, TextOrNull(i.OrgID), i.ID, micros(i.CreatedAt))
}

const invitationByDigest = `SELECT ` + invitationColumns + ` FROM invitations i WHERE i.digest = $1`

// InvitationByDigest implements store.Tx.
func (t *Tx) InvitationByDigest(digest [32]byte) (i store.Invitation, err error) {
	err = t.row("invitation", invitationByDigest, []any{digest[:]}, invitationInto(&i)...)
	return i, err
}

// Invitations implements store.Tx.
func (t *Tx) Invitations(orgID, email string, now time.Time) ([]store.Invitation, error) {
	query, args := invitationsQuery(t.engine.Dialect(), orgID, email, now)
	var out []store.Invitation
	err := t.rows("invitations", query, args, func(r Row) error {
		var i store.Invitation
		err := r.Scan(invitationInto(&i)...)
		out = append(out, i)
		return err
	})
	return out, err
}

func invitationsQuery(d Dialect, orgID, email string, now time.Time) (query string, args []any) {
	var q conditions
	index := "invitations_org"
	if email != "" { // there are few of one address, whatever the org
		index = "invitations_email"
		q.add("i.email = " + q.arg(email))
	}
	if orgID != "" || email == "" {
		q.add("i.org_id = " + q.arg(orgID))
	} else {
		q.add("i.org_id IS NOT NULL")
	}
	q.add("i.closed_at IS NULL")
	q.add("i.expires_at > " + q.arg(micros(now)))
	return `SELECT ` + invitationColumns + ` FROM invitations i` + d.index(index) + ` WHERE ` + q.all() + ` ORDER BY i.created_at, i.id`, q.args
}

// CloseInvitation implements store.Tx.
func (t *Tx) CloseInvitation(id string, at time.Time) error {
	const q = `UPDATE invitations SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL`
	return t.change("invitation", store.ErrNotFound, q, id, micros(at))
}
