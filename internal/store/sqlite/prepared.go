package sqlite

import (
	"context"
	"database/sql"
	"maps"
	"sync"
)

// preparedMost bounds the statements that are kept, lest a text that is made anew each time fill memory.
const preparedMost = 128

// prepared keeps the statements of a pool's transactions: to plan one takes SQLite longer than to run it. What a transaction ran that
// is not prepared yet is prepared before the next begins, while the pool has a connection free.
type prepared struct {
	mu     sync.Mutex
	wanted map[string]bool
	all    map[string]*sql.Stmt // never changed, but replaced
}

// note has a statement prepared for the next transaction.
func (p *prepared) note(query string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all)+len(p.wanted) >= preparedMost {
		return
	}
	if p.wanted == nil {
		p.wanted = map[string]bool{}
	}
	p.wanted[query] = true
}

// get returns the statements by their text. One that can't be prepared is not among them: who runs it is told why.
func (p *prepared) get(ctx context.Context, db *sql.DB) map[string]*sql.Stmt {
	p.mu.Lock()
	all, wanted := p.all, p.wanted
	p.wanted = nil
	p.mu.Unlock()
	if len(wanted) == 0 {
		return all
	}
	made := map[string]*sql.Stmt{}
	for query := range wanted {
		stmt, err := db.PrepareContext(ctx, query) //nolint:sqlclosecheck // it lives as long as the pool, which closes it
		if err == nil {
			made[query] = stmt
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(made, p.all)
	p.all = made
	return made
}
