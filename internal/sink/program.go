package sink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// Program is a command that reads a secret from its stdin: the secret's characters and nothing else, no line break. Its stdout is
// not looked at; its stderr is told when it fails, without the secret.
type Program struct {
	name    string
	words   []string
	environ func() []string
	limit   time.Duration
}

// ParseProgram splits a command into words as Words does. No shell is run.
func ParseProgram(command string, sys System) (*Program, error) {
	words, err := Words(command)
	if err != nil {
		return nil, &Error{Sink: "the command", Reason: err.Error(), Hint: "quote it as in 'sh -c \"…\"'", Usage: true}
	}
	// The words may hold what is nobody's business: receipts name the program, and tell commands apart by a digest.
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	p := &Program{words: words, environ: sys.Environ, limit: ProgramTimeout}
	p.name = "exec:" + filepath.Base(words[0]) + " (" + hex.EncodeToString(sum[:4]) + ")"
	return p, nil
}

func parseExec(command string, sys System) (Sink, error) { return ParseProgram(command, sys) }

// Name is the program and a digest of the command.
func (p *Program) Name() string { return p.name }

// Ready says whether there is such a program.
func (p *Program) Ready(context.Context) error {
	_, err := lookPath(p.name, p.words[0])
	return err
}

// Put runs the program with the secret on its stdin.
func (p *Program) Put(ctx context.Context, s secret.Secret) error {
	_, err := call{sink: p.name, argv: p.words, environ: p.environ, limit: p.limit, stdin: s.Reveal(), secret: s}.run(ctx)
	return err
}
