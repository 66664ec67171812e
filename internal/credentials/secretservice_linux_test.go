package credentials

import (
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

const (
	servicePath    = dbus.ObjectPath("/org/freedesktop/secrets")
	collectionPath = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	itemPath       = dbus.ObjectPath("/org/freedesktop/secrets/collection/login/1")
	sessionPath    = dbus.ObjectPath("/org/freedesktop/secrets/session/1")
	promptPath     = dbus.ObjectPath("/org/freedesktop/secrets/prompt/1")
	noPath         = dbus.ObjectPath("/")
	completed      = "org.freedesktop.Secret.Prompt.Completed"
)

// fake is a Secret Service with room for one item and a chosen fault.
type fake struct {
	conn *dbus.Conn
	done chan struct{} // closed when the test ends: what hangs may go

	hang        string // method that never answers
	ask         string // method that wants a prompt: "Unlock", "CreateItem" or "Delete"
	prompt      string // what the prompt does: "accept", "never", "dismiss", "empty", "odd", "unrelated", "vanish"
	lie         string // what GetSecret returns instead
	collections any    // what the property Collections holds instead

	mu      sync.Mutex
	opened  bool // a prompt has unlocked everything
	held    bool
	value   []byte
	pending func()
}

// dbusSecret is the struct (oayays) of the Secret Service specification.
type dbusSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// serve puts the service on the bus.
func (f *fake) serve(t *testing.T, b *bus) {
	t.Helper()
	var err error
	f.conn, err = dbus.Connect(b.address)
	must(t, err)
	f.done = make(chan struct{})
	t.Cleanup(func() {
		close(f.done)
		_ = f.conn.Close()
	})
	for _, e := range []struct {
		path    dbus.ObjectPath
		iface   string
		methods map[string]any
	}{
		{servicePath, "org.freedesktop.Secret.Service", map[string]any{"OpenSession": f.openSession, "Unlock": f.unlock}},
		{servicePath, "org.freedesktop.DBus.Properties", map[string]any{"Get": f.property}},
		{collectionPath, "org.freedesktop.Secret.Collection", map[string]any{"CreateItem": f.createItem, "SearchItems": f.searchItems}},
		{itemPath, "org.freedesktop.Secret.Item", map[string]any{"GetSecret": f.getSecret, "Delete": f.deleteItem}},
		{sessionPath, "org.freedesktop.Secret.Session", map[string]any{"Close": func() *dbus.Error { return nil }}},
		{promptPath, "org.freedesktop.Secret.Prompt", map[string]any{"Prompt": f.showPrompt}},
	} {
		must(t, f.conn.ExportMethodTable(e.methods, e.path, e.iface))
	}
	reply, err := f.conn.RequestName(secretsName, dbus.NameFlagDoNotQueue)
	must(t, err)
	if reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("RequestName = %v", reply)
	}
}

// enter hangs if the method is the one that hangs.
func (f *fake) enter(method string) {
	if f.hang == method {
		<-f.done
	}
}

// act does the work of the method at once, or leaves it to a prompt.
func (f *fake) act(method string, work func()) (prompt dbus.ObjectPath) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ask != method {
		work()
		return noPath
	}
	f.pending = work
	return promptPath
}

func (f *fake) property(_, _ string) (dbus.Variant, *dbus.Error) {
	f.enter("Get")
	if f.collections != nil {
		return dbus.MakeVariant(f.collections), nil
	}
	return dbus.MakeVariant([]dbus.ObjectPath{collectionPath}), nil
}

func (f *fake) openSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	f.enter("OpenSession")
	return dbus.MakeVariant(""), sessionPath, nil
}

func (f *fake) unlock(objects []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.enter("Unlock")
	if f.ask == "Unlock" && !f.isOpen() {
		return nil, f.act("Unlock", func() { f.opened = true }), nil
	}
	return objects, noPath, nil
}

func (f *fake) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened
}

func (f *fake) createItem(_ map[string]dbus.Variant, s dbusSecret, _ bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.enter("CreateItem")
	prompt := f.act("CreateItem", func() { f.held, f.value = true, s.Value })
	if prompt != noPath {
		return noPath, prompt, nil
	}
	return itemPath, noPath, nil
}

func (f *fake) searchItems(map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	f.enter("SearchItems")
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.held {
		return []dbus.ObjectPath{}, nil
	}
	return []dbus.ObjectPath{itemPath}, nil
}

func (f *fake) getSecret(session dbus.ObjectPath) (dbusSecret, *dbus.Error) {
	f.enter("GetSecret")
	f.mu.Lock()
	defer f.mu.Unlock()
	value := f.value
	if f.lie != "" {
		value = []byte(f.lie)
	}
	return dbusSecret{session, []byte{}, value, "text/plain"}, nil
}

func (f *fake) deleteItem() (dbus.ObjectPath, *dbus.Error) {
	f.enter("Delete")
	return f.act("Delete", func() { f.held = false }), nil
}

func (f *fake) showPrompt(string) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	result := dbus.MakeVariant([]dbus.ObjectPath{collectionPath})
	switch f.prompt {
	case "accept":
		f.pending()
		return emit(f.conn, completed, false, result)
	case "dismiss":
		return emit(f.conn, completed, true, dbus.MakeVariant(""))
	case "empty":
		return emit(f.conn, completed)
	case "odd":
		return emit(f.conn, completed, "yes", int32(7))
	case "unrelated":
		return emit(f.conn, "org.freedesktop.Secret.Prompt.Shown")
	case "vanish":
		_ = f.conn.Close()
	}
	return nil
}

func emit(conn *dbus.Conn, name string, args ...any) *dbus.Error {
	if err := conn.Emit(promptPath, name, args...); err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}
