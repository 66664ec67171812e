package api

import "time"

// RotationState is how far a rotation has come.
type RotationState string

// The states. A new secret is minted in the moment in which its rotation is opened, and is valid from then on; the old one until
// it is retired.
const (
	RotationMinted    RotationState = "minted"
	RotationDelivered RotationState = "delivered" // there is a receipt of every sink
	RotationProven    RotationState = "proven"    // the new secret has been used
	RotationPromoted  RotationState = "promoted"  // the new secret is the current one, the old one is retiring
	RotationRetired   RotationState = "retired"
	RotationCancelled RotationState = "cancelled"
	// RotationNeedsAttention says that the service goes no further by itself: it would cut a secret that is in use.
	RotationNeedsAttention RotationState = "needs-attention"
)

// RotationStates lists every state.
func RotationStates() []RotationState {
	return []RotationState{
		RotationMinted, RotationDelivered, RotationProven, RotationPromoted, RotationRetired, RotationCancelled, RotationNeedsAttention,
	}
}

// OnUse says what becomes of an old secret that is still used when it is due to be retired.
type OnUse string

// The policies.
const (
	OnUseCut    OnUse = "cut"    // it ends all the same, at that very moment
	OnUseExtend OnUse = "extend" // it goes on, for RotationGraceMax at most; then a person decides
	OnUseFail   OnUse = "fail"   // it goes on until a person decides
)

// OnUses lists every policy, for validation and completion.
func OnUses() []OnUse { return []OnUse{OnUseCut, OnUseExtend, OnUseFail} }

// Activate says when a new secret becomes the current one.
type Activate string

// The moments.
const (
	ActivateNow      Activate = "now"
	ActivateFirstUse Activate = "first-use" // when somebody uses it, after the promotion was asked for
)

// Activates lists every moment, for validation and completion.
func Activates() []Activate { return []Activate{ActivateNow, ActivateFirstUse} }

// Bounds of how long an old secret goes on.
const (
	RotationGrace    = 24 * time.Hour // by default
	RotationGraceMax = 30 * 24 * time.Hour
)

// RotationSinksMax is how many sinks a rotation may have.
const RotationSinksMax = 32

// Rotation is how one secret of a key takes the place of another; it never holds a secret.
type Rotation struct {
	ID         string         `json:"id"`
	KeyID      string         `json:"key_id"`
	State      RotationState  `json:"state"`
	Emergency  bool           `json:"emergency"`
	OldVersion int            `json:"old_version"`
	NewVersion int            `json:"new_version"`
	Sinks      []RotationSink `json:"sinks"`
	OpenedAt   time.Time      `json:"opened_at"`
	OpenedBy   Actor          `json:"opened_by"`
	UpdatedAt  time.Time      `json:"updated_at"`
	ExpiresAt  *time.Time     `json:"expires_at"` // when one that is not promoted is given up
	PromotedAt *time.Time     `json:"promoted_at"`
	RetireAt   *time.Time     `json:"retire_at"` // when the old secret ends
	OnUse      *OnUse         `json:"on_use"`
	EndedAt    *time.Time     `json:"ended_at"`
	// QuietSeconds is how long the old secret must not be used to end before RetireAt; 0: it does not.
	QuietSeconds int64 `json:"quiet_seconds"`
	// ArmedAt says since when the first use of the new secret will promote it; nil: it will not.
	ArmedAt *time.Time `json:"armed_at"`
}

// RotationSink is a place that a rotation delivers to, and its receipt.
type RotationSink struct {
	Name        string     `json:"name"`
	DeliveredAt *time.Time `json:"delivered_at"` // null: not yet
	Checked     bool       `json:"checked"`      // what lies there was read back and compared
}

// OpenRotationRequest asks for a rotation, or to join the one that is open.
type OpenRotationRequest struct {
	// Sinks are where the new secret is to be delivered. What was named before and has no receipt is let go.
	Sinks []string `json:"sinks,omitempty"`
	// Emergency retires every other secret of the key at once.
	Emergency bool `json:"emergency,omitempty"`
}

// ReceiptRequest says that a sink has the new secret.
type ReceiptRequest struct {
	Sink    string `json:"sink"`
	Checked bool   `json:"checked"`
}

// PromoteRequest makes the new secret the current one.
type PromoteRequest struct {
	GraceSeconds *int64 `json:"grace_seconds,omitempty"` // nil: RotationGrace; 0: the old secret ends at once
	OnUse        OnUse  `json:"on_use,omitempty"`        // empty: OnUseCut
	// QuietSeconds ends the old secret once it was not used for so long, at most the grace; 0: it ends with the grace.
	QuietSeconds int64 `json:"quiet_seconds,omitempty"`
	// Activate says when; empty: ActivateNow.
	Activate Activate `json:"activate,omitempty"`
}

// CancelRotationRequest takes the new secret back.
type CancelRotationRequest struct {
	// AcknowledgeUse does so although it was delivered or used.
	AcknowledgeUse bool `json:"acknowledge_use,omitempty"`
}

// RotationEnvelope is the answer that holds one rotation and its key.
type RotationEnvelope struct {
	Rotation Rotation `json:"rotation"`
	Key      Key      `json:"key"`
}

// RotationOpened is the answer of opening or joining a rotation. Secret is the new one; empty: it is promoted already.
type RotationOpened struct {
	RotationEnvelope

	Secret string `json:"secret,omitempty"`
}

// RotationList is the newest rotations of a key, newest first.
type RotationList struct {
	Rotations     []Rotation `json:"rotations"`
	NextPageToken string     `json:"next_page_token"`
}
