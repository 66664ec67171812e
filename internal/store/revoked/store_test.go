package revoked_test

import (
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/internal/store/storetest"
)

// TestConformance: with a log a store is the store that it was.
func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		t.Helper()
		dir := t.TempDir()
		db, err := sqlite.Open(t.Context(), filepath.Join(dir, "keyfob.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		path := filepath.Join(dir, "revocations.log")
		log, err := revoked.Open(t.Context(), path, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := revoked.Read(path); err != nil {
				t.Error(err)
			}
		})
		return revoked.Wrap(db, log, func(err error) { t.Error(err) })
	})
}

// TestEveryChangeIsThoughtOf: a method that changes or removes something either takes access away, and is logged, or stands here.
func TestEveryChangeIsThoughtOf(t *testing.T) {
	t.Parallel()
	logged := []string{
		"UpdateKey", "DeleteKey", "RetireSecret", "ChangeSecret", "EndSession", "EndTrustSession", "DeleteTrustRule", "RemoveMembership",
		"UpdateMembership", "UpdateUser", "CloseInvitation",
	}
	harmless := []string{"UpdateRotation", "UpdateDeviceGrant", "ForgetTries", "RemoveReplica", "UpdateOrgKey", "RemoveMaterial"}
	changes := regexp.MustCompile(`^(Update|Change|Delete|Remove|End|Close|Retire|Forget|Revoke|Set|Disable)[A-Z]`)
	for method := range reflect.TypeFor[store.Tx]().Methods() {
		name := method.Name
		if changes.MatchString(name) && !slices.Contains(logged, name) && !slices.Contains(harmless, name) {
			t.Errorf("does %s take access away? Then log it", name)
		}
	}
}
