package shellquote

import (
	"fmt"
	"strings"
)

// On Windows a program gets one string and splits it itself, by the rule of CommandLineToArgvW: words part at blanks
// outside "…", and inside, \" is a quote and backslashes before a quote count double. A .cmd wrapper adds cmd.exe in
// between, which knows nothing of \" : to it every quote opens or closes, and outside quotes & | < > ( ) ^ act. So a word is
// written only if cmd.exe, too, would leave it alone.

// cmd writes a word for the prompt of cmd.exe.
func cmd(word string) (string, error) {
	raw := word
	if word == "" || !only(word, "_@+:./-") {
		raw = argvW(word)
	}
	if err := passesCmd(raw); err != nil {
		return "", err
	}
	return raw, nil
}

// powershell writes a word for PowerShell on Windows. Inside '…' only quotes that PowerShell takes for a single one act, the
// typographic ones among them; doubled they stand for themselves.
func powershell(word string, target Target) (string, error) {
	switch {
	case word == "":
		return "", fmt.Errorf("%w: Windows PowerShell drops an empty word", ErrUnquotable)
	case strings.HasSuffix(word, `\`):
		return "", fmt.Errorf("%w: it ends in a backslash, which may escape the closing quote", ErrUnquotable)
	case strings.Contains(word, `\"`):
		return "", fmt.Errorf("%w: it holds a backslash before a double quote", ErrUnquotable)
	case strings.Contains(word, `"`) && target != Batch:
		return "", fmt.Errorf("%w: PowerShell passes a double quote in different ways to an .exe and to a .cmd", ErrUnquotable)
	}
	word = strings.ReplaceAll(word, `"`, `\"`)
	raw := word
	if strings.Contains(word, " ") {
		raw = `"` + word + `"` // what PowerShell itself does to a word with a blank
	}
	if err := passesCmd(raw); err != nil {
		return "", err
	}
	if bareInPowerShell(word) {
		return word, nil
	}
	return "'" + doubleQuotes(word) + "'", nil
}

// bareInPowerShell is narrow: PowerShell splits -a.b and -a:b in two and reads numbers, commas, @, -- and --% its own way.
func bareInPowerShell(word string) bool {
	rest := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	return rest != "" && isLetter(rest[0]) && only(rest, "_-")
}

func doubleQuotes(word string) string {
	return strings.NewReplacer("'", "''", "‘", "‘‘", "’", "’’", "‚", "‚‚", "‛", "‛‛").Replace(word)
}

// argvW quotes a word for CommandLineToArgvW.
func argvW(word string) string {
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := range len(word) {
		switch c := word[i]; c {
		case '\\':
			slashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(word[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}

// passesCmd says whether cmd.exe hands the raw word on as it is, at the prompt and once more through a wrapper's %*.
func passesCmd(raw string) error {
	quoted := false
	for _, r := range raw {
		switch {
		case r == '"':
			quoted = !quoted
		case strings.ContainsRune("%!^", r), !quoted && strings.ContainsRune("&|<>()", r):
			return fmt.Errorf("%w: cmd.exe may act on the %q in it", ErrUnquotable, r)
		}
	}
	if quoted {
		return fmt.Errorf("%w: cmd.exe would take its odd number of double quotes into the next word", ErrUnquotable)
	}
	return nil
}
