package api

import "slices"

// Permission names one thing a session may do in an organisation.
type Permission string

// The permissions.
const (
	KeysRead     Permission = "keys:read"
	KeysWrite    Permission = "keys:write"
	KeysReveal   Permission = "keys:reveal"
	KeysRotate   Permission = "keys:rotate"
	EventsRead   Permission = "events:read"
	MembersRead  Permission = "members:read"
	MembersWrite Permission = "members:write"
	TrustRead    Permission = "trust:read"
	TrustWrite   Permission = "trust:write"
	// OwnersWrite is needed, beside MembersWrite, to make, change or remove an owner.
	OwnersWrite Permission = "owners:write"
)

// Permissions lists every permission, for validation, completion and docs.
func Permissions() []Permission { return RoleOwner.Permissions() }

// Role is what a user is in an organisation.
type Role string

// The roles, from most to least.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
	// RoleNone is that of a job which a trust rule let in: it has the permissions of its session alone.
	RoleNone Role = "none"
)

// Roles lists every role, from most to least.
func Roles() []Role { return []Role{RoleOwner, RoleAdmin, RoleMember, RoleViewer} }

// Permissions is the one table of what each role may do; an owner may do everything. An unknown role may do nothing.
func (r Role) Permissions() []Permission {
	switch r {
	case RoleOwner:
		return append(RoleAdmin.Permissions(), OwnersWrite)
	case RoleAdmin:
		return []Permission{KeysRead, KeysWrite, KeysReveal, KeysRotate, EventsRead, MembersRead, MembersWrite, TrustRead, TrustWrite}
	case RoleMember:
		return []Permission{KeysRead, KeysReveal, MembersRead}
	case RoleViewer:
		return []Permission{KeysRead, MembersRead}
	default:
		return nil
	}
}

// May says whether the role has the permission.
func (r Role) May(p Permission) bool { return slices.Contains(r.Permissions(), p) }
