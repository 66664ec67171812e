package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Bootstrap names the first things of a store.
type Bootstrap struct {
	OrgSlug  string
	OrgName  string
	UserName string
}

// Bootstrap makes an org and its owner. When there is an org of that slug it changes nothing and returns that org and the
// user who has been its owner for longest.
func (s *Service) Bootstrap(ctx context.Context, in Bootstrap) (Org, User, error) {
	if err := checkSlug(in.OrgSlug); err != nil {
		return Org{}, User{}, err
	}
	orgName, err := normalName("the organisation's name", in.OrgName)
	if err != nil {
		return Org{}, User{}, err
	}
	userName, err := normalName("the user's name", in.UserName)
	if err != nil {
		return Org{}, User{}, err
	}
	var (
		org  store.Org
		user store.User
	)
	err = s.update(ctx, func(tx store.Tx) error {
		org, err = tx.OrgBySlug(in.OrgSlug)
		if errors.Is(err, store.ErrNotFound) {
			org, user, err = s.addOrg(tx, in.OrgSlug, orgName, userName)
			return err
		}
		if err != nil {
			return err
		}
		user, err = tx.FirstMember(org.ID, string(api.RoleOwner))
		return err
	})
	if err != nil {
		return Org{}, User{}, fmt.Errorf("bootstrap: %w", err)
	}
	return orgOf(org), userOf(user), nil
}

func (s *Service) addOrg(tx store.Tx, slug, orgName, userName string) (org store.Org, user store.User, err error) {
	now := s.now()
	org = store.Org{Slug: slug, Name: orgName, Recoverable: true, MasterKeyID: s.keys.masterID, CreatedAt: now}
	user = store.User{Name: userName, CreatedAt: now}
	if org.ID, err = newID(orgPrefix); err != nil {
		return org, user, err
	}
	if user.ID, err = newID(userPrefix); err != nil {
		return org, user, err
	}
	if org.DataKey, err = newDataKey(s.keys.MasterKey, org.ID); err != nil {
		return org, user, err
	}
	err = errors.Join(
		tx.AddOrg(org),
		tx.AddUser(user),
		tx.AddMembership(store.Membership{OrgID: org.ID, UserID: user.ID, Role: string(api.RoleOwner), CreatedAt: now}),
		s.addEvent(tx, Event{
			Type: "org.created", OrgID: org.ID, Actor: Actor{Type: api.ActorSystem, Name: "bootstrap"},
			Data: map[string]string{"slug": slug, "owner": user.ID},
		}),
	)
	return org, user, err
}

// Memberships returns the orgs that the principal is in, by slug.
func (s *Service) Memberships(ctx context.Context, p Principal) ([]Membership, error) {
	var rows []store.OrgMembership
	err := s.view(ctx, func(tx store.Tx) (err error) {
		rows, err = tx.MembershipsOf(p.User.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("memberships: %w", err)
	}
	out := make([]Membership, len(rows))
	for i, r := range rows {
		out[i] = Membership{Org: orgOf(r.Org), Role: api.Role(r.Role)}
	}
	return out, nil
}

// access returns the org that ref, a slug or an id, names, if the principal's role in it has the permission. It is the one
// gate that every method on an org's things goes through.
func access(tx store.Tx, p Principal, ref string, need api.Permission) (store.Org, error) {
	find := tx.OrgBySlug
	if isID(orgPrefix, ref) {
		find = tx.Org
	}
	org, err := find(ref)
	if err != nil {
		return store.Org{}, orgNotFound(ref, err)
	}
	m, err := tx.Membership(org.ID, p.User.ID)
	if err != nil {
		return store.Org{}, orgNotFound(ref, err)
	}
	if role := api.Role(m.Role); !role.May(need) {
		return store.Org{}, refusef(api.CodeForbidden, "ask an owner or admin of the organisation",
			"the role %s in the organisation %s does not have the permission %s", shown(m.Role), shown(org.Slug), need)
	}
	return org, nil
}

// orgNotFound answers the same for an org that is not there and one that the principal is not in.
func orgNotFound(ref string, err error) error {
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return refusef(api.CodeOrgNotFound, "", "you are in no organisation %s", shown(ref))
}

// addEvent writes an event of now.
func (s *Service) addEvent(tx store.Tx, e Event) error {
	id, err := newID(eventPrefix)
	if err != nil {
		return err
	}
	return tx.AddEvent(store.Event{ID: id, At: s.now(), Type: e.Type, OrgID: e.OrgID, KeyID: e.KeyID, Actor: e.Actor.row(), Data: e.Data})
}
