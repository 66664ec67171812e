package mcpproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// kind is what a JSON-RPC message is.
type kind int

const (
	request kind = iota
	notification
	response
)

// Methods that mean something to the transport.
const (
	methodInitialize  = "initialize"
	methodInitialized = "notifications/initialized"
	methodCancelled   = "notifications/cancelled"
	methodListen      = "subscriptions/listen"
	methodListTools   = "tools/list"
	methodCallTool    = "tools/call"
	methodReadRes     = "resources/read"
	methodGetPrompt   = "prompts/get"
)

// Codes of JSON-RPC 2.0; the last is the first of those left to implementations.
const (
	codeParse   = -32700
	codeInvalid = -32600
	codeFailed  = -32000
)

// message is a JSON-RPC 2.0 message as far as the bridge reads it.
type message struct {
	kind   kind
	id     string          // in one form, to compare; empty for a notification, and for a response to nobody knows what
	rawID  json.RawMessage // as it came
	method string
	params json.RawMessage
	result json.RawMessage
	fault  json.RawMessage
	raw    []byte
}

// rpcError is the error of a JSON-RPC response.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// parse reads one message. With an error, the message has the id if there was one.
func parse(raw []byte) (message, *rpcError) {
	var m struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  *string         `json:"method"`
		Params  json.RawMessage `json:"params"`
		Result  json.RawMessage `json:"result"`
		Error   json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		if json.Valid(raw) {
			return message{}, &rpcError{codeInvalid, "this is no JSON-RPC message"}
		}
		return message{}, &rpcError{codeParse, "this line is not JSON"}
	}
	out := message{rawID: m.ID, params: m.Params, result: m.Result, fault: m.Error, raw: raw}
	id, known := canonical(m.ID)
	out.id = id
	switch {
	case m.Version != "2.0":
		return out, &rpcError{codeInvalid, `"jsonrpc" is not "2.0"`}
	case !known:
		return message{}, &rpcError{codeInvalid, "the id is neither a string nor a number"}
	case m.Method != nil && *m.Method == "":
		return out, &rpcError{codeInvalid, "the method is empty"}
	case m.Method != nil && isNull(m.ID):
		out.kind, out.method = notification, *m.Method
		if m.ID != nil {
			return message{}, &rpcError{codeInvalid, "the id is neither a string nor a number"}
		}
	case m.Method != nil:
		out.kind, out.method = request, *m.Method
	case m.Result != nil && isNull(m.Error), len(m.Error) > 0 && m.Error[0] == '{':
		out.kind = response
	default:
		return out, &rpcError{codeInvalid, "it has neither a method nor a result"}
	}
	return out, nil
}

func isNull(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// canonical gives ids that are equal one form: 1 and 1.0, "é" and "\u00e9".
func canonical(raw json.RawMessage) (string, bool) {
	if isNull(raw) {
		return "", true
	}
	var id any
	if json.Unmarshal(raw, &id) != nil {
		return "", false
	}
	switch v := id.(type) {
	case string:
		return "s" + v, true
	case float64:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return "n" + strconv.FormatInt(n, 10), true
		}
		return "n" + strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// batch returns the messages of an array, which the revision 2025-03-26 had; one message is itself.
func batch(raw []byte) ([]json.RawMessage, bool) {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '[' {
		return []json.RawMessage{raw}, true
	}
	var many []json.RawMessage
	err := json.Unmarshal(raw, &many)
	return many, err == nil && len(many) > 0
}

// compact writes the JSON text without white space between its parts, and otherwise as it is.
func compact(to *bytes.Buffer, raw []byte) error { return json.Compact(to, raw) }

// failure is the response that carries an error; a nil id is that of a message that could not be read.
func failure(id json.RawMessage, e any) []byte {
	if id == nil {
		id = json.RawMessage("null")
	}
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   any             `json:"error"`
	}{"2.0", id, e})
	if err != nil { // the error came from the server, and is no JSON
		return failure(id, rpcError{codeFailed, "the server answered with an error that can't be read"})
	}
	return doc.Bytes()
}

func failed(format string, args ...any) *rpcError {
	return &rpcError{codeFailed, fmt.Sprintf(format, args...)}
}
