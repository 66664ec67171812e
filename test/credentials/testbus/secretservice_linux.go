package testbus

import (
	"slices"
	"sync"
	"testing"
	"time"

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

// Service is a Secret Service with room for one item and a chosen fault. The zero Service works.
type Service struct {
	Hang        string        // method that never answers: "OpenSession", "Unlock", "SearchItems", "GetSecret", "Get" (of a property), …
	Slow        time.Duration // how long every method takes
	Locked      bool          // Unlock unlocks nothing, and offers no prompt
	Ask         string        // method that wants a prompt: "Unlock", "CreateItem" or "Delete"
	Prompt      string        // what the prompt does: "accept", "never", "dismiss", "empty", "odd", "unrelated", "vanish"
	Lie         string        // what GetSecret returns instead
	Shape       string        // what is odd about an item: "string" (no struct), "texts" (no paths), "gone" (no such object)
	Collections any           // what the property Collections holds instead

	conn *dbus.Conn
	done chan struct{} // closed when the test ends: what hangs may go

	mu      sync.Mutex
	opened  bool // a prompt has unlocked everything
	prompts int
	held    bool
	value   []byte
	pending func()
	asked   []map[string]string
}

// Holding gives the service an item.
func (f *Service) Holding(value string) *Service {
	f.held, f.value = true, []byte(value)
	return f
}

// Asked returns the attributes of every item that was looked for or made.
func (f *Service) Asked() []map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// dbusSecret is the struct (oayays) of the Secret Service specification.
type dbusSecret struct {
	Session     dbus.ObjectPath
	Parameters  []byte
	Value       []byte
	ContentType string
}

// Serve puts the service on the bus until the test ends.
func (f *Service) Serve(t *testing.T, b *Bus) {
	t.Helper()
	var err error
	f.conn, err = dbus.Connect(b.Address)
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
		{servicePath, "org.freedesktop.Secret.Service", map[string]any{
			"OpenSession": f.openSession, "Unlock": f.unlock, "SearchItems": f.searchAll,
		}},
		{collectionPath, "org.freedesktop.DBus.Properties", map[string]any{"Get": f.property}},
		{servicePath, "org.freedesktop.DBus.Properties", map[string]any{"Get": f.property}},
		{collectionPath, "org.freedesktop.Secret.Collection", map[string]any{"CreateItem": f.createItem, "SearchItems": f.searchMethod()}},
		{itemPath, "org.freedesktop.Secret.Item", map[string]any{"GetSecret": f.secretMethod(), "Delete": f.deleteItem}},
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

// searchMethod and secretMethod are what the Shape makes of a method: D-Bus takes its answer's type from the function.
func (f *Service) searchMethod() any {
	if f.Shape != "texts" {
		return f.searchItems
	}
	return func(map[string]string) ([]string, *dbus.Error) { return []string{"login/1"}, nil }
}

func (f *Service) secretMethod() any {
	if f.Shape != "string" {
		return f.getSecret
	}
	return func(dbus.ObjectPath) (string, *dbus.Error) { return "no struct", nil }
}

// enter takes as long as the method does, which may be for ever.
func (f *Service) enter(method string) {
	if f.Hang == method {
		<-f.done
	}
	if f.Slow > 0 {
		select {
		case <-time.After(f.Slow):
		case <-f.done:
		}
	}
}

// act does the work of the method at once, or leaves it to a prompt.
func (f *Service) act(method string, work func()) (prompt dbus.ObjectPath) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Ask != method {
		work()
		return noPath
	}
	f.pending = work
	return promptPath
}

func (f *Service) property(_, name string) (dbus.Variant, *dbus.Error) {
	f.enter("Get")
	if name == "Locked" {
		return dbus.MakeVariant(f.isLocked()), nil
	}
	if f.Collections != nil {
		return dbus.MakeVariant(f.Collections), nil
	}
	return dbus.MakeVariant([]dbus.ObjectPath{collectionPath}), nil
}

func (f *Service) openSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	f.enter("OpenSession")
	return dbus.MakeVariant(""), sessionPath, nil
}

func (f *Service) unlock(objects []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.enter("Unlock")
	if f.Locked {
		return nil, noPath, nil
	}
	if f.Ask == "Unlock" && !f.isOpen() {
		return nil, f.act("Unlock", func() { f.opened = true }), nil
	}
	return objects, noPath, nil
}

// isLocked says that somebody would have to unlock the collection.
func (f *Service) isLocked() bool { return f.Locked || f.Ask == "Unlock" && !f.isOpen() }

// Prompts returns how many prompts were shown.
func (f *Service) Prompts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prompts
}

func (f *Service) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened
}

func (f *Service) createItem(properties map[string]dbus.Variant, s dbusSecret, _ bool) (dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	f.enter("CreateItem")
	attributes, _ := properties["org.freedesktop.Secret.Item.Attributes"].Value().(map[string]string)
	f.note(attributes)
	prompt := f.act("CreateItem", func() { f.held, f.value = true, s.Value })
	if prompt != noPath {
		return noPath, prompt, nil
	}
	return itemPath, noPath, nil
}

func (f *Service) searchItems(attributes map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	f.enter("SearchItems")
	f.note(attributes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.held {
		return []dbus.ObjectPath{}, nil
	}
	if f.Shape == "gone" {
		return []dbus.ObjectPath{collectionPath + "/2"}, nil
	}
	return []dbus.ObjectPath{itemPath}, nil
}

// searchAll is the service's own search, which tells what is locked from what is not.
func (f *Service) searchAll(attributes map[string]string) (open, locked []dbus.ObjectPath, _ *dbus.Error) {
	found, err := f.searchItems(attributes)
	if f.isLocked() {
		return []dbus.ObjectPath{}, found, err
	}
	return found, []dbus.ObjectPath{}, err
}

func (f *Service) note(attributes map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, attributes)
}

func (f *Service) getSecret(session dbus.ObjectPath) (dbusSecret, *dbus.Error) {
	f.enter("GetSecret")
	f.mu.Lock()
	defer f.mu.Unlock()
	value := f.value
	if f.Lie != "" {
		value = []byte(f.Lie)
	}
	return dbusSecret{session, []byte{}, value, "text/plain"}, nil
}

func (f *Service) deleteItem() (dbus.ObjectPath, *dbus.Error) {
	f.enter("Delete")
	return f.act("Delete", func() { f.held = false }), nil
}

func (f *Service) showPrompt(string) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prompts++
	result := dbus.MakeVariant([]dbus.ObjectPath{collectionPath})
	switch f.Prompt {
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
