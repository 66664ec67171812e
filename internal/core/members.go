package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// inviteLimit is how long somebody who is invited has to join.
const inviteLimit = 7 * 24 * time.Hour

// Members returns the org's members by when they joined, then those who are invited by when they were.
func (s *Service) Members(ctx context.Context, p Principal, org string) ([]Member, error) {
	out := []Member{}
	err := s.view(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.MembersRead)
		if err != nil {
			return err
		}
		rows, err := tx.Members(o.ID)
		if err != nil {
			return err
		}
		for _, r := range rows {
			out = append(out, memberOf(r))
		}
		invited, err := s.invited(tx, o.ID, "")
		for _, i := range invited {
			out = append(out, invitedOf(i))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	return out, nil
}

// AddMember invites whoever has the address; an earlier invitation of the org to it ends. They join by the set-up link whose token
// it returns, or without local accounts, with an empty token, by signing in with the OpenID provider. Nobody is made a member
// without their doing: an address that a local account claims is not proven. An owner is invited by owners only.
func (s *Service) AddMember(ctx context.Context, p Principal, org, email string, role api.Role) (m Member, setUpToken string, err error) {
	if email, err = normalEmail(email); err != nil {
		return Member{}, "", err
	}
	if err := checkRole(role); err != nil {
		return Member{}, "", err
	}
	err = s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, neededFor(role)...)
		if err != nil {
			return err
		}
		before, err := s.findMember(tx, o, email)
		switch {
		case err == nil && before.member():
			return refusef(api.CodeAlreadyMember, "", "%s is a member of the organisation %s already", shown(email), shown(o.Slug))
		case err == nil: // what they were invited to be ends
			if _, err := access(tx, p, org, neededFor(before.role())...); err != nil {
				return err
			}
		case !isCode(err, api.CodeMemberNotFound):
			return err
		}
		inv := store.Invitation{Kind: string(SetUpMember), OrgID: o.ID, Email: email, Role: string(role), InvitedBy: p.Actor().row()}
		if setUpToken, err = s.addInvitation(tx, &inv, inviteLimit); err != nil {
			return err
		}
		m = invitedOf(inv)
		return s.addEvent(tx, Event{Type: "member.invited", OrgID: o.ID, Actor: p.Actor(), Data: facts("email", email, "role", string(role))})
	})
	if err != nil {
		return Member{}, "", fmt.Errorf("add a member: %w", err)
	}
	if !s.passwords {
		setUpToken = ""
	}
	return m, setUpToken, nil
}

// SetMemberRole changes what a member is, or what somebody who is invited will be; ref is a user's id or an e-mail address. It
// counts from the next request on. Only owners make owners or change them, and nobody changes the last: CodeLastOwner.
func (s *Service) SetMemberRole(ctx context.Context, p Principal, org, ref string, role api.Role) (Member, error) {
	if err := checkRole(role); err != nil {
		return Member{}, err
	}
	var out Member
	err := s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.MembersWrite)
		if err != nil {
			return err
		}
		who, err := s.findMember(tx, o, ref)
		if err != nil {
			return err
		}
		was := who.role()
		if _, err := access(tx, p, org, slices.Concat(neededFor(was), neededFor(role))...); err != nil {
			return err
		}
		if was == role {
			out = who.view()
			return nil
		}
		if who.member() {
			out, err = s.changeRole(tx, o, who.in, role)
		} else {
			err = s.succeed(tx, &who.invitation, role)
			out = invitedOf(who.invitation)
		}
		if err != nil {
			return err
		}
		data := facts("member", out.ID, "name", out.Name, "email", out.Email, "from", string(was), "to", string(role))
		return s.addEvent(tx, Event{Type: "member.role_changed", OrgID: o.ID, Actor: p.Actor(), Data: data})
	})
	if err != nil {
		return Member{}, fmt.Errorf("change a member's role: %w", err)
	}
	return out, nil
}

func (s *Service) changeRole(tx store.Tx, org store.Org, row store.Member, role api.Role) (Member, error) {
	if err := keepOwner(tx, org, row); err != nil {
		return Member{}, err
	}
	row.Role = string(role)
	return memberOf(row), tx.UpdateMembership(row.Membership)
}

// RemoveMember takes a member out of the org, or an invitation back; ref is a user's id or an e-mail address. It counts from the
// next request on: the member's tokens of the org end, and with the last org all their sessions. Only owners remove owners, and
// nobody the last: CodeLastOwner.
func (s *Service) RemoveMember(ctx context.Context, p Principal, org, ref string) error {
	err := s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.MembersWrite)
		if err != nil {
			return err
		}
		who, err := s.findMember(tx, o, ref)
		if err != nil {
			return err
		}
		if _, err := access(tx, p, org, neededFor(who.role())...); err != nil {
			return err
		}
		if who.member() {
			return s.removeMember(tx, p.Actor(), o, who.in)
		}
		if err := tx.CloseInvitation(who.invitation.ID, s.now()); err != nil {
			return err
		}
		data := facts("email", who.invitation.Email, "role", who.invitation.Role)
		return s.addEvent(tx, Event{Type: "invitation.withdrawn", OrgID: o.ID, Actor: p.Actor(), Data: data})
	})
	if err != nil {
		return fmt.Errorf("remove a member: %w", err)
	}
	return nil
}

func (s *Service) removeMember(tx store.Tx, by Actor, org store.Org, row store.Member) error {
	if err := keepOwner(tx, org, row); err != nil {
		return err
	}
	all, err := tx.MembershipsOf(row.UserID)
	if err != nil {
		return err
	}
	// while they are a member still: what ends is told to the orgs that its user is in
	const reason = "removed from the organisation"
	if len(all) == 1 {
		_, err = s.signOut(tx, by, row.UserID, reason, anySession)
	} else {
		_, err = s.endAll(tx, by, row.UserID, reason, func(its Session) bool { return its.Org.ID == org.ID })
	}
	if err != nil {
		return err
	}
	data := facts("member", row.UserID, "name", row.User.Name, "email", row.User.Email, "role", row.Role)
	return errors.Join(
		tx.RemoveMembership(org.ID, row.UserID),
		s.addEvent(tx, Event{Type: "member.removed", OrgID: org.ID, Actor: by, Data: data}),
	)
}

// neededFor returns what it takes to make, change or remove somebody of the role.
func neededFor(role api.Role) []api.Permission {
	if role == api.RoleOwner {
		return []api.Permission{api.MembersWrite, api.OwnersWrite}
	}
	return []api.Permission{api.MembersWrite}
}

// keepOwner refuses what would leave the org without an owner.
func keepOwner(tx store.Tx, org store.Org, leaving store.Member) error {
	all, err := tx.Members(org.ID)
	if err != nil {
		return err
	}
	owner := func(m store.Member) bool { return api.Role(m.Role) == api.RoleOwner }
	other := func(m store.Member) bool { return owner(m) && m.UserID != leaving.UserID }
	if owner(leaving) && !slices.ContainsFunc(all, other) {
		return refusef(api.CodeLastOwner, "make somebody else an owner first", "%s is the last owner of the organisation %s", shown(leaving.User.Name), shown(org.Slug))
	}
	return nil
}

func checkRole(role api.Role) error {
	if !slices.Contains(api.Roles(), role) {
		return refusef(api.CodeInvalidRequest, "take one of "+strings.Join(texts(api.Roles()), ", "), "there is no role %s", shown(string(role)))
	}
	return nil
}
