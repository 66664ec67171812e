package core

import (
	"errors"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// somebody is a member of an org, or who is invited to be one.
type somebody struct {
	in         store.Member
	invitation store.Invitation
}

func (w somebody) member() bool { return w.in.UserID != "" }

func (w somebody) role() api.Role {
	if w.member() {
		return api.Role(w.in.Role)
	}
	return api.Role(w.invitation.Role)
}

func (w somebody) view() Member {
	if w.member() {
		return memberOf(w.in)
	}
	return invitedOf(w.invitation)
}

// findMember returns whom ref, a user's id or an e-mail address, names in the org.
func (s *Service) findMember(tx store.Tx, org store.Org, ref string) (somebody, error) {
	if isID(userPrefix, ref) {
		user, err := tx.User(ref)
		return findUser(tx, org, ref, user, err)
	}
	if looksLikeSecret(ref) {
		return somebody{}, invalidf("a member is named by id or e-mail address here, not by a secret")
	}
	email, err := normalEmail(ref)
	if err != nil {
		return somebody{}, memberNotFound(org, ref)
	}
	user, err := tx.UserByEmail(email)
	who, err := findUser(tx, org, ref, user, err)
	if !isCode(err, api.CodeMemberNotFound) {
		return who, err
	}
	invited, err := s.invited(tx, org.ID, email)
	if err != nil || len(invited) == 0 {
		return somebody{}, errors.Join(err, memberNotFound(org, ref))
	}
	return somebody{invitation: invited[0]}, nil
}

// findUser is findMember for a user that was looked for, with the error of that.
func findUser(tx store.Tx, org store.Org, ref string, user store.User, err error) (somebody, error) {
	var m store.Membership
	if err == nil {
		m, err = tx.Membership(org.ID, user.ID)
	}
	if errors.Is(err, store.ErrNotFound) {
		return somebody{}, memberNotFound(org, ref)
	}
	return somebody{in: store.Member{Membership: m, User: user}}, err
}

func memberNotFound(org store.Org, ref string) error {
	return refusef(api.CodeMemberNotFound, "list them: keyfob org members list", "the organisation %s has no member %s", shown(org.Slug), shown(ref))
}

// invited returns the open invitations to join the org, oldest first; with an address, those to it; with it and without an org, to
// any.
func (s *Service) invited(tx store.Tx, orgID, email string) ([]store.Invitation, error) {
	all, err := tx.Invitations(orgID, email, s.now())
	return slices.DeleteFunc(all, func(i store.Invitation) bool { return SetUpKind(i.Kind) != SetUpMember }), err
}

// join makes a user a member and closes every invitation of the org to the address: they had what they were for. Who is a member
// already stays what they are. how is told by the event.
func (s *Service) join(tx store.Tx, orgID string, user store.User, email, role, how string) error {
	open, err := s.invited(tx, orgID, email)
	if err != nil {
		return err
	}
	for _, i := range open {
		if err := tx.CloseInvitation(i.ID, s.now()); err != nil {
			return err
		}
	}
	_, err = tx.Membership(orgID, user.ID)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.AddMembership(store.Membership{OrgID: orgID, UserID: user.ID, Role: role, CreatedAt: s.now()}); err != nil {
		return err
	}
	data := facts("member", user.ID, "name", user.Name, "email", user.Email, "role", role, "by", how)
	return s.addEvent(tx, Event{Type: "member.joined", OrgID: orgID, Actor: actorOfUser(user), Data: data})
}

func memberOf(m store.Member) Member {
	return Member{
		ID: m.UserID, Name: m.User.Name, Email: m.User.Email, Role: api.Role(m.Role), Status: api.MemberActive, CreatedAt: m.CreatedAt,
	}
}

func invitedOf(i store.Invitation) Member {
	return Member{Email: i.Email, Role: api.Role(i.Role), Status: api.MemberInvited, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt}
}
