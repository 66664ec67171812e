package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
)

// errorDoc is the failure as one JSON object on stderr.
type errorDoc struct {
	Error struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		Hint      string `json:"hint,omitempty"`
		RequestID string `json:"request_id,omitempty"`
		Status    int    `json:"status,omitempty"`

		LastUsedAt *time.Time `json:"last_used_at,omitempty"`
		Calls24h   int64      `json:"calls_24h,omitempty"`
	} `json:"error"`
}

// printError is the only place that writes an error.
func printError(f *cliutil.Factory, root *cobra.Command, args []string, e *cliutil.Error) {
	w := f.IO.ErrOut
	if wantsJSON(f, root, args) {
		var doc errorDoc
		doc.Error.Code, doc.Error.Message, doc.Error.Hint = e.Code, cliutil.Printable(e.Message), cliutil.Printable(e.Hint)
		doc.Error.RequestID, doc.Error.Status = cliutil.Printable(e.RequestID), e.Status
		doc.Error.LastUsedAt, doc.Error.Calls24h = e.LastUsedAt, e.Calls24h
		line, err := json.Marshal(doc)
		if err == nil {
			_, _ = fmt.Fprintln(w, string(line))
			return
		}
	}
	if e.Exit == cliutil.ExitCancelled && f.IO.ErrTTY {
		_, _ = fmt.Fprintln(w) // the terminal's ^C stands on the line
	}
	style := cliutil.NewStyle(f.Env, f.IO.ErrTTY)
	_, _ = fmt.Fprintln(w, style.Red("error:")+" "+cliutil.Printable(e.Message))
	if e.Hint != "" {
		_, _ = fmt.Fprintln(w, style.Bold("hint:")+" "+cliutil.Printable(e.Hint))
	}
	if e.RequestID != "" {
		_, _ = fmt.Fprintln(w, "request id: "+cliutil.Printable(e.RequestID))
	}
}

// wantsJSON says whether JSON was asked for. The parsed flag and the resolved options tell, unless the command line
// could not be parsed that far: then its own words do.
func wantsJSON(f *cliutil.Factory, root *cobra.Command, args []string) bool {
	if flag := root.PersistentFlags().Lookup("output"); flag != nil && flag.Changed {
		return flag.Value.String() == string(cliutil.FormatJSON)
	}
	for i, arg := range args {
		value, found := strings.CutPrefix(arg, "--output=")
		if !found {
			value, found = strings.CutPrefix(arg, "-o")
		}
		if !found && arg == "--output" || found && value == "" {
			if i+1 < len(args) {
				value = args[i+1]
			}
		}
		if strings.TrimPrefix(value, "=") == string(cliutil.FormatJSON) {
			return true
		}
	}
	if cfg, err := f.Config(); err == nil {
		return cfg.String(config.OptOutput) == string(cliutil.FormatJSON)
	}
	return f.Env("KEYFOB_OUTPUT") == string(cliutil.FormatJSON)
}
