package core

import (
	"strings"
	"testing"
)

func TestUseIDs(t *testing.T) {
	t.Parallel()
	ids := []string{keyPrefix + strings.Repeat("0", idLen), keyPrefix + strings.Repeat("v", idLen), keyPrefix + "00000000000000000000123456"}
	for range 1000 {
		id, err := newID(keyPrefix)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for i, id := range ids {
		u, ok := useIDOf(id)
		if !ok || u.String() != id {
			t.Fatalf("%s became %s", id, u)
		}
		if v, _ := useIDOf(ids[0]); i > 0 && strings.Compare(id, ids[0]) != strings.Compare(string(u[:]), string(v[:])) {
			t.Fatalf("%s and %s change their order", id, ids[0])
		}
		for j := range i {
			if v, _ := useIDOf(ids[j]); strings.Compare(id, ids[j]) != strings.Compare(string(u[:]), string(v[:])) {
				t.Fatalf("%s and %s change their order", id, ids[j])
			}
		}
	}
	for _, bad := range []string{"", "key_1", strings.Repeat("0", idBytes), ids[0] + "0", ids[0][:idBytes-1] + "w"} {
		if _, ok := useIDOf(bad); ok {
			t.Errorf("%q is taken for an id", bad)
		}
	}
}
