package server

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"strings"
	"sync/atomic"
)

// headerRequestID and the other names of headers that are written without http.Header.Set are in their canonical form.
const headerRequestID = "Request-Id"

const (
	requestIDPrefix = "req_"
	idRandom        = 16 // characters that are the process's own: 80 bits
	idCount         = 10 // and such that count: 50 bits
	idAlphabet      = "abcdefghijklmnopqrstuvwxyz234567"
)

// requestIDs makes ids that no other process makes. The count in them is spread, so that they don't say how much the service does.
type requestIDs struct {
	head string
	step uint64 // odd: it takes every value before it takes one twice
	n    atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var step [8]byte
	_, _ = rand.Read(step[:]) // never fails
	return &requestIDs{
		head: requestIDPrefix + strings.ToLower(rand.Text())[:idRandom], step: binary.LittleEndian.Uint64(step[:]) | 1,
	}
}

func (q *requestIDs) next() string {
	var id [len(requestIDPrefix) + idRandom + idCount]byte
	at := copy(id[:], q.head)
	for n := q.n.Add(1) * q.step; at < len(id); at++ {
		id[at] = idAlphabet[n%uint64(len(idAlphabet))]
		n /= uint64(len(idAlphabet))
	}
	return string(id[:])
}

type requestIDKey struct{}

// requestID is the id of the request that is served in ctx. A gateway's request has none there.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// answerID is the id of the request that w answers.
func answerID(w http.ResponseWriter) string {
	if id := w.Header()[headerRequestID]; len(id) > 0 {
		return id[0]
	}
	return ""
}
