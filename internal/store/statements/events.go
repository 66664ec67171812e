package statements

import (
	"database/sql"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// AddEvent implements store.Tx.
func (t *Tx) AddEvent(e store.Event) error {
	data, err := factsText(e.Data)
	if err != nil {
		return err
	}
	const q = `INSERT INTO events (id, at, type, org_id, key_id, actor_type, actor_id, actor_name, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	return t.add("event", q, e.ID, micros(e.At), e.Type, TextOrNull(e.OrgID), TextOrNull(e.KeyID),
		e.Actor.Type, e.Actor.ID, e.Actor.Name, data)
}

// Events implements store.Tx.
func (t *Tx) Events(orgID string, f store.EventFilter) ([]store.Event, error) {
	query, args := eventsQuery(t.engine.Dialect(), orgID, f)
	var out []store.Event
	err := t.rows("events", query, args, func(r Row) error {
		var (
			e        store.Event
			org, key sql.NullString
		)
		err := r.Scan(&e.ID, moment{&e.At}, &e.Type, &org, &key, &e.Actor.Type, &e.Actor.ID, &e.Actor.Name, facts{&e.Data})
		e.OrgID, e.KeyID = org.String, key.String
		out = append(out, e)
		return err
	})
	return out, err
}

func eventsQuery(d Dialect, orgID string, f store.EventFilter) (query string, args []any) {
	var q conditions
	org := q.arg(orgID)
	q.add("e.org_id = " + org)
	for _, c := range eventConditions(f) {
		if c.value != "" {
			q.add("e." + c.column + " = " + q.arg(c.value))
		}
	}
	after, order := "<", "DESC"
	if f.Ascending {
		after, order = ">", "ASC"
	}
	if f.After != "" {
		q.add("e.id " + after + " " + q.arg(f.After))
	}
	if !f.Since.IsZero() {
		// Ids sort by time but for a clock that was set back, so the scan begins an hour before.
		const slack = time.Hour
		q.add("e.at >= " + q.arg(micros(f.Since)))
		q.add("e.id >= (SELECT s.id FROM events s WHERE s.org_id = " + org + " AND s.at >= " + q.arg(micros(f.Since.Add(-slack))) + " ORDER BY s.at LIMIT 1)")
	}
	return `SELECT e.id, e.at, e.type, e.org_id, e.key_id, e.actor_type, e.actor_id, e.actor_name, e.data
		FROM events e` + d.index(eventIndex(f)) + ` WHERE ` + q.all() + ` ORDER BY e.id ` + order + ` LIMIT ` + q.arg(f.Limit), q.args
}

type eventCondition struct{ column, value, index string }

// eventConditions is the table of what events are found by; the first that is asked for gives the index.
func eventConditions(f store.EventFilter) []eventCondition {
	return []eventCondition{
		{"key_id", f.KeyID, "events_key"},
		{"actor_id", f.ActorID, "events_actor"},
		{"actor_name", f.ActorName, "events_actor_name"},
		{"type", f.Type, "events_type"},
		{"subject", f.Subject, "events_subject"},
	}
}

func eventIndex(f store.EventFilter) string {
	for _, c := range eventConditions(f) {
		if c.value != "" {
			return c.index
		}
	}
	return "events_page"
}
