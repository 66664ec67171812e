package shellquote

import "strings"

// Detect guesses the shell in use from the environment, goos being runtime.GOOS. SHELL decides where it is set, which on
// Windows means a shell of Git or MSYS; it is the login shell and need not be the one in use, hence a guess.
//
// Windows has PSModulePath in every process. Only PowerShell puts the user's own module directory into it, so that is the
// mark. In doubt the answer is Cmd: PowerShell reads most lines for cmd, while cmd reads none with single quotes.
func Detect(getenv func(string) string, goos string) Shell {
	windows := goos == "windows"
	login := getenv("SHELL")
	if i := strings.LastIndexAny(login, `/\`); i >= 0 {
		login = login[i+1:]
	}
	switch name := strings.TrimSuffix(strings.ToLower(login), ".exe"); {
	case name == "fish":
		return Fish
	case name == "pwsh" || name == "powershell":
		return PowerShell
	case name != "" || !windows:
		return Sh
	case hasUserDir(getenv("PSModulePath"), getenv("USERPROFILE")):
		return PowerShell
	default:
		return Cmd
	}
}

func hasUserDir(modulePath, home string) bool {
	if home == "" {
		return false
	}
	home = strings.ToLower(strings.TrimRight(home, `\`)) + `\`
	for dir := range strings.SplitSeq(modulePath, ";") {
		if strings.HasPrefix(strings.ToLower(dir), home) {
			return true
		}
	}
	return false
}
