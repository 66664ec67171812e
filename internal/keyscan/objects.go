package keyscan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// objectState is what became of an object that was asked for.
type objectState int

const (
	objectRead objectState = iota
	objectLarge
	objectMissing
)

// objects reads git's objects, one after the other, from one process.
type objects struct {
	git    git
	stop   context.CancelFunc
	cmd    *exec.Cmd
	words  *said
	in     io.WriteCloser
	out    *bufio.Reader
	data   bytes.Buffer
	absent map[string]struct{} // what a partial clone lacks; nil: not asked for
}

func (g git) openObjects(ctx context.Context) (*objects, error) {
	o := &objects{git: g}
	return o, o.start(ctx)
}

func (o *objects) start(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	cmd, words := o.git.command(running, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		stop()
		return fmt.Errorf("start git: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		return fmt.Errorf("start git: %w", err)
	}
	o.stop, o.cmd, o.words, o.in, o.out = stop, cmd, words, in, bufio.NewReader(out)
	return nil
}

// read returns an object's content, which is good until the next read. In a partial clone git ends at the first object that it
// lacks, since it may not fetch it. Then all that it lacks are listed, once: that takes a while and only such clones need it.
func (o *objects) read(ctx context.Context, oid string) ([]byte, objectState, error) {
	if _, ok := o.absent[oid]; ok {
		return nil, objectMissing, nil
	}
	data, state, err := o.ask(ctx, oid)
	if err == nil || o.absent != nil || !strings.Contains(o.words.String(), "promisor remote") || ctx.Err() != nil {
		return data, state, err
	}
	o.absent = map[string]struct{}{}
	list := []string{"rev-list", "--all", "--reflog", "--indexed-objects", "--objects", "--no-object-names", "--missing=print"}
	err = o.git.each(ctx, nil, list, func(line string) error {
		if id, ok := strings.CutPrefix(line, "?"); ok {
			o.absent[id] = struct{}{}
		}
		return nil
	})
	if err == nil {
		err = o.start(ctx)
	}
	if err != nil {
		return nil, 0, err
	}
	return o.read(ctx, oid)
}

func (o *objects) ask(ctx context.Context, oid string) ([]byte, objectState, error) {
	if _, err := io.WriteString(o.in, oid+"\n"); err != nil {
		return nil, 0, o.broken(ctx, err)
	}
	header, err := o.out.ReadString('\n')
	if err != nil {
		return nil, 0, o.broken(ctx, err)
	}
	fields := strings.Fields(header)
	if len(fields) == 2 && fields[1] == "missing" {
		return nil, objectMissing, nil
	}
	if len(fields) != 3 {
		return nil, 0, o.broken(ctx, errors.New("its answer is not understood"))
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return nil, 0, o.broken(ctx, err)
	}
	if size > maxFile {
		if _, err := io.CopyN(io.Discard, o.out, size+1); err != nil {
			return nil, 0, o.broken(ctx, err)
		}
		return nil, objectLarge, nil
	}
	o.data.Reset()
	if _, err := io.CopyN(&o.data, o.out, size+1); err != nil { // a line feed follows the content
		return nil, 0, o.broken(ctx, err)
	}
	return o.data.Bytes()[:size], objectRead, nil
}

// broken ends git and says why it could not be talked to.
func (o *objects) broken(ctx context.Context, err error) error {
	o.stop() // it may be in the middle of an answer that nobody reads
	_ = o.cmd.Wait()
	return fail(ctx, "cat-file", o.words, err)
}

// close ends git.
func (o *objects) close(ctx context.Context) error {
	defer o.stop()
	_ = o.in.Close()
	if o.cmd.ProcessState != nil {
		return nil // broken has told
	}
	if err := o.cmd.Wait(); err != nil {
		return fail(ctx, "cat-file", o.words, err)
	}
	return nil
}
