package daemon

import "golang.org/x/sys/windows"

// freeSpace returns how many bytes its owner can still write there.
func freeSpace(path string) (free uint64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}
