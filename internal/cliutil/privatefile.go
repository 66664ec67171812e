package cliutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// NewPrivateFile makes a file that only its owner can read and fills it with what content returns. A file that is there is
// never touched. content is asked once the file is open; when it fails, the file is taken away again.
func NewPrivateFile(path string, content func() (string, error)) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &Error{
			Code: "file-exists", Exit: ExitConflict, Err: err,
			Message: fmt.Sprintf("%s is there already", path), Hint: "name a file that does not exist; nothing was done",
		}
	}
	if err != nil {
		return &Error{Code: "file-unwritable", Exit: ExitFailed, Message: err.Error(), Hint: "nothing was done", Err: err}
	}
	text, err := content()
	if err != nil {
		_ = file.Close()
		_ = os.Remove(path)
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}
