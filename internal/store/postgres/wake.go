package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// channel is what replicas listen to.
const channel = "keyfob_changes"

// Wake tells the other processes on this database that something has changed. PostgreSQL loses what nobody listens to, and a
// notification alone is not worth a wait for the disk.
func (s *Store) Wake(ctx context.Context) error {
	return s.once(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, channel, s.mark)
		return err
	})
}

// Woken calls fn whenever another process wakes those on this database, until ctx ends. It has a connection of its own, and gets another
// when that is lost; a server that knows no LISTEN wakes nobody.
func (s *Store) Woken(ctx context.Context, fn func()) {
	const again = 2 * time.Second
	for ctx.Err() == nil {
		_ = s.listen(ctx, fn) // who waits in vain asks by itself
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func (s *Store) listen(ctx context.Context, fn func()) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	own := conn.Hijack() // it is never given back: it listens
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = own.Close(end)
	}()
	if _, err := own.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	for {
		told, err := own.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if told.Payload != s.mark {
			fn()
		}
	}
}
