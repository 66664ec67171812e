// Package build says which build of Keyfob this is. It must not know anything else.
package build

import "runtime/debug"

// version is set by the linker: -X github.com/keyfob/keyfob/internal/build.version=v1.2.3.
var version string

// Version returns the version that the linker or `go install` recorded, else "dev".
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
