package completion

import (
	"bytes"
	"fmt"
	"io"
)

// mend is a place of a script that cobra writes, and what stands there instead.
type mend struct{ old, new string }

// mends is what each shell's script needs, so that names with spaces, quotes and shell syntax arrive as they are, nothing
// that another user called a key is ever evaluated, and a line that can't be parsed does not bring up file names.
func mends(shell string) []mend {
	switch shell {
	case "bash":
		return []mend{
			// bash inserts as far as all candidates agree, and quotes nothing. 63: it only lists them.
			{
				`        COMPREPLY+=("$compline")` + "\n",
				`        [[ $COMP_TYPE == 63 ]] || compline="$comp${compline#"${compline%%$tab*}"}"` + "\n" +
					`        COMPREPLY+=("$compline")` + "\n",
			},
			{
				`COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")`,
				`COMPREPLY[0]=${COMPREPLY[0]%%$tab*}` + "\n" +
					`        [[ $COMP_TYPE != 63 ]] || COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`,
			},
			{`directive=0`, `directive=4`},
			// Without bash-completion there is nobody to put back together what bash takes apart at = : and @.
			{`    _get_comp_words_by_ref "$@" cur prev words cword` + "\n", bashWords},
		}
	case "zsh":
		return []mend{
			// _describe takes a backslash away.
			{`comp=${comp//:/\\:}`, `comp=${comp//\\/\\\\}` + "\n            " + `comp=${comp//:/\\:}`},
			// A process for each candidate.
			{`local tab="$(printf '\t')"`, `local tab=$'\t'`},
			{`=~ '-.*=' ]]`, `=~ '^-[^=]*=' ]]`},
			{`directive=0`, `directive=4`},
		}
	case "fish":
		return []mend{
			// The word as it would arrive; one with an open quote can't be taken apart.
			{
				`    set -l lastArg (string escape -- (commandline -ct))` + "\n",
				`    set -l token (commandline -ct)` + "\n" +
					`    set -l plain (string unescape -- "$token")` + "\n" +
					`    or set plain (string trim --left --chars "'\"" -- "$token")` + "\n" +
					`    set -l lastArg (string escape -- "$plain")` + "\n" +
					`    set -l words (string escape -- $args)` + "\n",
			},
			// The words before it come without their quotes, and are evaluated.
			{` __complete $args[2..-1] $lastArg"`, ` __complete $words[2..-1] $lastArg"`},
			{`(string match -r -- '-.*=' "$lastArg")`, `(string match -r -- '^-[^=]*=' "$plain")`},
			{
				`"No completion, probably due to a failure"` + "\n        # Might as well do file completion, in case it helps\n        return 1",
				`"No completion, probably due to a failure"` + "\n        return 0",
			},
		}
	}
	return nil
}

const bashWords = `    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    local i word gap line=$COMP_LINE
    words=()
    cword=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        gap=$line
        [[ -z $word ]] || gap=${line%%"$word"*}
        line=${line#*"$word"}
        if ((i > 0)) && [[ -z $gap ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        ((i == COMP_CWORD)) && cword=$((${#words[@]} - 1))
    done
    cur=${words[cword]}
    prev=
    ((cword == 0)) || prev=${words[cword-1]}
`

// Script writes the script that generate writes, mended for the shell. It fails when cobra's script has changed.
func Script(shell string, w io.Writer, generate func(io.Writer) error) error {
	var b bytes.Buffer
	if err := generate(&b); err != nil {
		return err
	}
	script := b.Bytes()
	for _, m := range mends(shell) {
		if n := bytes.Count(script, []byte(m.old)); n != 1 {
			return fmt.Errorf("cobra's script for %s holds %q %d times, not once", shell, m.old, n)
		}
		script = bytes.Replace(script, []byte(m.old), []byte(m.new), 1)
	}
	_, err := w.Write(script)
	return err
}
