package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Bootstrap names the first things of a store.
type Bootstrap struct {
	OrgSlug  string
	OrgName  string
	UserName string
	Email    string // of the owner; empty: none
}

// Bootstrap makes an org and its owner. When there is an org of that slug it returns that org and the user who has been its
// owner for longest, and changes nothing but to give them the address, if they have none. CodeNameTaken: the address is
// another account's.
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
	email := ""
	if in.Email != "" {
		if email, err = normalEmail(in.Email); err != nil {
			return Org{}, User{}, err
		}
	}
	var (
		org  store.Org
		user store.User
	)
	err = s.update(ctx, func(tx store.Tx) error {
		org, err = tx.OrgBySlug(in.OrgSlug)
		if errors.Is(err, store.ErrNotFound) {
			user = store.User{Name: userName, Email: email}
			org, err = s.addOrg(tx, in.OrgSlug, orgName, &user, Actor{Type: api.ActorSystem, Name: "bootstrap"})
			return err
		}
		if err != nil {
			return err
		}
		user, err = tx.FirstMember(org.ID, string(api.RoleOwner))
		if err != nil || email == "" || user.Email != "" {
			return err
		}
		user.Email = email
		return tx.UpdateUser(user)
	})
	if errors.Is(err, store.ErrExists) && email != "" {
		err = refusef(api.CodeNameTaken, "", "another account has the address %s", shown(email))
	}
	if err != nil {
		return Org{}, User{}, fmt.Errorf("bootstrap: %w", err)
	}
	return orgOf(org), userOf(user), nil
}

// addOrg makes an org and its owner, and completes the user. by is who did it; the zero Actor is the owner.
func (s *Service) addOrg(tx store.Tx, slug, name string, owner *store.User, by Actor) (org store.Org, err error) {
	now := s.now()
	org = store.Org{Slug: slug, Name: name, Recoverable: true, CreatedAt: now}
	if org.ID, err = newID(orgPrefix); err != nil {
		return org, err
	}
	master, err := s.newestMaster(tx)
	if err != nil {
		return org, err
	}
	org.MasterKeyID = materialID(store.MaterialMasterKey, master)
	if org.DataKey, err = newDataKey(master, org.ID); err != nil {
		return org, err
	}
	if err := s.addUser(tx, owner); err != nil {
		return org, err
	}
	if by == (Actor{}) {
		by = actorOfUser(*owner)
	}
	err = errors.Join(
		tx.AddOrg(org),
		tx.AddMembership(store.Membership{OrgID: org.ID, UserID: owner.ID, Role: string(api.RoleOwner), CreatedAt: now}),
		s.addEvent(tx, Event{Type: "org.created", OrgID: org.ID, Actor: by, Data: facts("slug", slug, "owner", owner.ID)}),
	)
	return org, err
}

// addUser makes a user and completes the row.
func (s *Service) addUser(tx store.Tx, user *store.User) (err error) {
	user.CreatedAt = s.now()
	if user.ID, err = newID(userPrefix); err != nil {
		return err
	}
	return tx.AddUser(*user)
}

// Memberships returns the orgs that the principal is in, by slug; of a token, the one that it opens.
func (s *Service) Memberships(ctx context.Context, p Principal) ([]Membership, error) {
	if p.isJob() {
		return []Membership{{Org: p.Session.Org, Role: api.RoleNone}}, nil
	}
	var rows []store.OrgMembership
	err := s.view(ctx, func(tx store.Tx) (err error) {
		rows, err = tx.MembershipsOf(p.User.ID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("memberships: %w", err)
	}
	out := make([]Membership, 0, len(rows))
	for _, r := range rows {
		if p.opens(r.Org) {
			out = append(out, Membership{Org: orgOf(r.Org), Role: api.Role(r.Role)})
		}
	}
	return out, nil
}

// access returns the org that ref, a slug or an id, names, if the principal has the permissions in it: by the role at this
// moment and, with a token, by the token too. It is the one gate that every method on an org's things goes through.
func access(tx store.Tx, p Principal, ref string, needs ...api.Permission) (store.Org, error) {
	find := tx.OrgBySlug
	if isID(orgPrefix, ref) {
		find = tx.Org
	}
	org, err := find(ref)
	if err != nil {
		return store.Org{}, orgNotFound(ref, err)
	}
	m := store.Membership{}
	if !p.isJob() { // a job is nobody's: it goes on when whoever made its rule has left
		if m, err = tx.Membership(org.ID, p.User.ID); err != nil {
			return store.Org{}, orgNotFound(ref, err)
		}
	}
	if !p.opens(org) {
		return store.Org{}, orgNotFound(ref, store.ErrNotFound)
	}
	role := api.Role(m.Role)
	for _, need := range needs {
		if !p.isJob() && !role.May(need) {
			return store.Org{}, refusef(api.CodeForbidden, "ask an owner or admin of the organisation",
				"the role %s in the organisation %s does not have the permission %s", shown(m.Role), shown(org.Slug), need)
		}
		if p.isToken() && !slices.Contains(p.Session.Permissions, need) {
			return store.Org{}, p.lacks(need)
		}
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
