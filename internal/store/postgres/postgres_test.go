package postgres

import (
	"testing"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func config(t *testing.T, url string) Config {
	t.Helper()
	c, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), config(t, url))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t)
	storetest.Run(t, func(t *testing.T) store.Store {
		t.Helper()
		return open(t, server.Database(t))
	})
}
