// Vendorcli stands for the programs of vendors whose services tests can't reach: under each of their names it notes how it was
// called, keeps what it is given on stdin, and prints it as that vendor's program does when it is asked.
//
// VENDOR_DIR is its folder. VENDOR_MODE has it fail, hang, lie (keep nothing and say nothing) or change (keep something else).
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Call is a line of the file calls.jsonl.
type Call struct {
	Argv    []string `json:"argv"`
	Stdin   string   `json:"stdin"` // SHA-256 in hexadecimal; empty: there was none
	Environ []string `json:"environ"`
}

// answers is how each prints a value, which stands for @; 64@ is its base64. A program that is not there prints none.
func answers() map[string]string {
	return map[string]string{
		"glab": `{"key":"K","value":"@","masked":true}`, "vault": "@\n", "aws": "@\n", "gcloud": "@", "az": "@\n", "kubectl": "64@",
		"op": "@", "doppler": "@\n", "infisical": "@\n",
	}
}

const opItem = `{"id":"i","category":"API_CREDENTIAL","version":3,"fields":[{"id":"username","value":"u"},{"id":"credential","label":"key","value":"@"}]}`

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func run() error {
	dir, program := os.Getenv("VENDOR_DIR"), filepath.Base(os.Args[0])
	given, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	c := Call{Argv: append([]string{program}, os.Args[1:]...), Environ: os.Environ()}
	if len(given) > 0 {
		sum := sha256.Sum256(given)
		c.Stdin = hex.EncodeToString(sum[:])
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "calls.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := log.Write(append(line, '\n')); err != nil {
		return err
	}
	kept := filepath.Join(dir, program+".kept")
	if len(given) == 0 {
		return answer(program, kept)
	}
	switch os.Getenv("VENDOR_MODE") {
	case "fail":
		return fmt.Errorf("denied: %s", given)
	case "hang":
		<-time.After(time.Hour)
	case "lie":
		return nil
	case "change":
		given = []byte("kf_another")
	}
	fmt.Printf("stored %s\n", given) // some print it, and nobody may see that
	return os.WriteFile(kept, regexp.MustCompile(`kf_[0-9A-Za-z]+`).Find(given), 0o600)
}

func answer(program, kept string) error {
	form, known := answers()[program]
	if !known {
		return fmt.Errorf("%s can't be asked", program)
	}
	value, err := os.ReadFile(kept)
	if err != nil {
		return fmt.Errorf("nothing is there")
	}
	if program == "op" && os.Args[1] == "item" {
		form = opItem
	}
	if rest, ok := strings.CutPrefix(form, "64"); ok {
		form, value = rest, []byte(base64.StdEncoding.EncodeToString(value))
	}
	_, err = fmt.Print(strings.ReplaceAll(form, "@", string(value)))
	return err
}
