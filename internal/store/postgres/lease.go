package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keyfob/keyfob/internal/store"
)

// once runs what is one statement, or may be done twice, without a transaction around it, on the first connection that turns out to be
// alive.
func (s *Store) once(outer context.Context, fn func(context.Context, *pgxpool.Conn) error) error {
	ctx, cancel := context.WithTimeout(outer, txTimeout)
	defer cancel()
	return s.tooLong(outer, s.again(ctx, func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, acquireTimeout)
		defer cancel()
		conn, err := s.pool.Acquire(short)
		if err != nil {
			return s.unreachable(ctx, err)
		}
		defer conn.Release()
		switch err := fn(ctx, conn); {
		case err == nil:
			return nil
		case isLost(err) && ctx.Err() == nil:
			return errStale
		default:
			return s.fault(ctx, err)
		}
	}))
}

// renew counts a renewal. set_config is SET LOCAL for one statement: a renewal that is lost with the server is as good as none, so
// nothing waits for the disk.
const renew = `UPDATE replicas r SET renewals = r.renewals + 1, seen_at = ` + now + ` FROM key_changes c
	WHERE r.id = $1 AND r.applied = $2 AND c.id = 1 AND c.n = $2 RETURNING set_config('synchronous_commit', 'off', true)`

// Renew is RenewReplica in one statement, for when nothing has changed since the change that the replica said it had applied; false:
// something may have, or the replica was removed.
func (s *Store) Renew(ctx context.Context, id string, applied int64) (renewed bool, err error) {
	err = s.once(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, renew, id, applied)
		renewed = tag.RowsAffected() > 0
		if isConflict(err) { // where every transaction is serializable
			return nil
		}
		return err
	})
	return renewed && err == nil, err
}

const members = `SELECT c.n, coalesce(r.id, ''), coalesce(r.name, ''), coalesce(r.version, ''), coalesce(r.applied, 0), coalesce(r.renewals, 0),
	coalesce(r.joined_at, 0), coalesce(r.seen_at, 0) FROM key_changes c LEFT JOIN replicas r ON true WHERE c.id = 1 ORDER BY r.id`

// Members returns all replicas and the number of the last change, in one statement.
func (s *Store) Members(ctx context.Context) (list []store.Replica, last int64, err error) {
	err = s.once(ctx, func(ctx context.Context, conn *pgxpool.Conn) error {
		list, last = nil, 0
		rows, err := conn.Query(ctx, members)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var (
				r            store.Replica
				joined, seen int64
			)
			if err := rows.Scan(&last, &r.ID, &r.Name, &r.Version, &r.Applied, &r.Renewals, &joined, &seen); err != nil {
				return err
			}
			r.JoinedAt, r.SeenAt = time.UnixMicro(joined).UTC(), time.UnixMicro(seen).UTC()
			if r.ID != "" {
				list = append(list, r)
			}
		}
		return rows.Err()
	})
	return list, last, err
}
