package edit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

func checkRefusal(t *testing.T, f edit.Format, at edit.Place, x exhibit) {
	t.Helper()
	res, err := edit.Put(f, []byte(x.doc), at, "ours", server())
	if kindName(err) != x.kind || res.Data != nil || res.Changed {
		t.Fatalf("refused as %s, not %s: %v", kindName(err), x.kind, err)
	}
	var e *edit.Error
	if !errors.As(err, &e) || e.Line != x.line || e.Column != x.column {
		t.Errorf("at line %d, column %d, not %d, %d: %v", e.Line, e.Column, x.line, x.column, err)
	}
	if len(err.Error()) > 200 || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error quotes the file: %v", err)
	}
	if _, found, err := edit.Remove(f, []byte(x.doc), at, "ours", edit.Trace{}); found && x.kind != "shape" {
		t.Errorf("Remove took something out of a broken file: %v", err)
	}
}
