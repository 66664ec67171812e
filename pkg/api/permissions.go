package api

import "slices"

// Permission names one thing a session may do in an organisation.
type Permission string

// The permissions.
const (
	KeysRead   Permission = "keys:read"
	KeysWrite  Permission = "keys:write"
	KeysReveal Permission = "keys:reveal"
	EventsRead Permission = "events:read"
)

// Role is what a user is in an organisation.
type Role string

// The roles, from most to least.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// Permissions is the one table of what each role may do. An unknown role may do nothing.
func (r Role) Permissions() []Permission {
	switch r {
	case RoleOwner, RoleAdmin:
		return []Permission{KeysRead, KeysWrite, KeysReveal, EventsRead}
	case RoleMember:
		return []Permission{KeysRead, KeysReveal}
	case RoleViewer:
		return []Permission{KeysRead}
	default:
		return nil
	}
}

// May says whether the role has the permission.
func (r Role) May(p Permission) bool { return slices.Contains(r.Permissions(), p) }
