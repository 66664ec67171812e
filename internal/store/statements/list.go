package statements

import (
	"math"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// conditions are the terms of a WHERE clause and the values that are bound in them.
type conditions struct {
	terms []string
	args  []any
}

// arg binds a value and returns how a term names it.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *conditions) add(term string) { c.terms = append(c.terms, term) }

func (c *conditions) all() string { return strings.Join(c.terms, " AND ") }

// Keys implements store.Tx.
func (t *Tx) Keys(orgID string, f store.KeyFilter) ([]store.Key, error) {
	query, args := keysQuery(t.engine.Dialect(), orgID, f)
	var keys []store.Key
	err := t.rows("keys", query, args, func(r Row) error {
		var k store.Key
		err := r.Scan(keyInto(&k)...)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, t.fillSecrets(keys)
}

// keysQuery walks one index in the order that was asked for and leaves out what does not fit, so that all pages of a list
// together read the index once, whatever is filtered. An engine that has statistics may choose otherwise.
func keysQuery(d Dialect, orgID string, f store.KeyFilter) (query string, args []any) {
	var q conditions
	from, column := source(d, orgID, f, &q)
	q.add("k.org_id = " + q.arg(orgID))
	q.add("k.deleted_at IS NULL")
	after, order := ">", "ASC"
	if f.Descending {
		after, order = "<", "DESC"
	}
	orderBy := column + " " + order
	if f.Sort != store.ByID {
		orderBy += ", k.id " + order
	}
	switch {
	case f.After.ID == "":
	case f.Sort == store.ByID:
		q.add(column + " " + after + " " + q.arg(f.After.ID))
	default:
		q.add("(" + column + ", k.id) " + after + " (" + q.arg(sortValue(f.Sort, f.After)) + ", " + q.arg(f.After.ID) + ")")
	}
	addKeyTerms(d, f, &q)
	return `SELECT ` + keyColumns + ` FROM ` + from + ` WHERE ` + q.all() + ` ORDER BY ` + orderBy + ` LIMIT ` + q.arg(f.Limit), q.args
}

// source returns what is read in the order of the list, and the column that it is ordered by. In the order of ids the rarer
// kinds of keys have an index of their own; a tag is always filtered by here.
func source(d Dialect, orgID string, f store.KeyFilter, q *conditions) (from, column string) {
	if f.Sort == store.ByID && len(f.Tags) > 0 {
		q.add("t.org_id = " + q.arg(orgID) + " AND t.pair = " + q.arg(f.Tags[0]))
		addTags(f.Tags[1:], q)
		join := " JOIN "
		if d.Hints { // SQLite reads the tables of a CROSS JOIN in their order
			join = " CROSS JOIN "
		}
		return "key_tags t" + d.index("key_tags_pair") + join + "keys k ON k.id = t.key_id", "t.key_id"
	}
	addTags(f.Tags, q)
	switch {
	case f.Sort == store.ByName:
		return "keys k" + d.index("keys_name"), "k.folded_name"
	case f.Sort == store.ByLastUse:
		return "keys k" + d.index("keys_used"), "k.used_at"
	case f.Sort == store.ByExpiry:
		return "keys k" + d.index("keys_expiry"), "k.expires_order"
	case f.NeverUsed:
		return "keys k" + d.index("keys_used"), "k.id"
	case f.Status == store.Disabled:
		return "keys k" + d.index("keys_disabled"), "k.id"
	}
	return "keys k" + d.index("keys_page"), "k.id"
}

func addTags(tags []string, q *conditions) {
	for _, tag := range tags {
		q.add("EXISTS (SELECT 1 FROM key_tags x WHERE x.key_id = k.id AND x.pair = " + q.arg(tag) + ")")
	}
}

// sortValue is the position as the columns of source hold it.
func sortValue(sort store.KeySort, p store.KeyPosition) any {
	switch {
	case sort == store.ByName:
		return p.FoldedName
	case p.At.IsZero() && sort == store.ByExpiry:
		return int64(math.MaxInt64)
	case p.At.IsZero():
		return int64(0)
	}
	return micros(p.At)
}

func addKeyTerms(d Dialect, f store.KeyFilter, q *conditions) {
	switch f.Status {
	case store.AnyStatus:
	case store.Enabled:
		q.add("NOT k.disabled AND k.expires_order > " + q.arg(micros(f.Now)))
	case store.Disabled:
		q.add(d.Disabled)
	case store.Expired:
		q.add("NOT k.disabled AND k.expires_order <= " + q.arg(micros(f.Now)))
	}
	addNames(f.Names, q)
	if f.NeverUsed {
		q.add("k.used_at = 0")
	}
	if !f.UnusedSince.IsZero() {
		q.add("k.used_at < " + q.arg(micros(f.UnusedSince)))
	}
	if !f.ExpiresBefore.IsZero() {
		q.add("k.expires_order < " + q.arg(micros(f.ExpiresBefore)))
	}
}

// addNames narrows a list to names that match one of the patterns.
func addNames(patterns []string, q *conditions) {
	if patterns == nil {
		return
	}
	if len(patterns) == 0 {
		q.add("k.id < ''") // none
		return
	}
	like := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%")
	terms := make([]string, len(patterns))
	for i, p := range patterns {
		terms[i] = "k.folded_name LIKE " + q.arg(like.Replace(p)) + ` ESCAPE '\'`
	}
	q.add("(" + strings.Join(terms, " OR ") + ")")
}
