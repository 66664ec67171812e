package edit

import (
	"bytes"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

func (d *tomlDoc) remove(trace Trace) ([]byte, bool, error) {
	switch {
	case d.hosted():
		list := tomlFlow().withdraw(d.data, d.trail, len(d.rest.Path), trace)
		return apply(d.data, list), true, nil
	case d.mine == nil:
		return nil, false, nil
	}
	runs := d.runs(d.mine)
	end := runs[0][1]
	head, traced := bytes.CutSuffix(d.data[:runs[0][0]], []byte(trace.Before))
	if trace.After != "" && len(head) > 0 && !bytes.HasSuffix(head, []byte("\n")) {
		traced = false // that was the line end of what is above, and no blank line
	}
	if traced && len(runs) == 1 && trace != (Trace{}) && bytes.HasPrefix(d.data[end:], []byte(trace.After)) {
		return apply(d.data, []splice{{len(head), end + len(trace.After), trace.Was}}), true, nil
	}
	return apply(d.data, cutLines(d.data, runs, 0)), true, nil
}

// runs are the stretches of lines, without the last line's end, that statements which follow each other take up. Comments
// between them are theirs.
func (d *tomlDoc) runs(stmts []int) [][2]int {
	var runs [][2]int
	for k, i := range stmts {
		s := d.list[i]
		end := lineEnd(d.data, s.end)
		if k > 0 && stmts[k-1] == i-1 {
			runs[len(runs)-1][1] = end
		} else {
			runs = append(runs, [2]int{lineStart(d.data, s.start), end})
		}
	}
	return runs
}

func (d *tomlDoc) drop(path []string) ([]byte, error) {
	fl := tomlFlow()
	if d.hosted() {
		list, err := fl.prune(d.data, d.hostItem().value, path)
		return apply(d.data, list), err
	}
	var gone []int
	for _, i := range d.mine {
		s := d.list[i]
		p := s.path[d.base:]
		if hasPrefix(p, path) {
			gone = append(gone, i)
			continue
		}
		if s.kind != unstable.KeyValue || !hasPrefix(path, p) {
			continue
		}
		// What is to go is within this value.
		v := scanValue(d.data, s.value)
		list, err := fl.prune(d.data, v, path[len(p):])
		if err != nil || len(p) == 0 || !gone1(v, list) {
			return apply(d.data, list), err
		}
		gone = append(gone, i)
	}
	if gone == nil {
		return d.data, nil
	}
	gone = d.emptied(gone, path)
	return apply(d.data, cutLines(d.data, d.runs(gone), 0)), nil
}

// gone1 says that the splices empty a value that had one item.
func gone1(v node, list []splice) bool {
	return len(v.items) == 1 && !v.comments && len(list) > 0 && gone(v, list)
}

// emptied adds the headers of tables on path that have nothing left once the statements are gone, not even a comment.
func (d *tomlDoc) emptied(stmts []int, path []string) []int {
	for n := len(path) - 1; n > 0; n-- {
		head := -1
		for _, i := range d.mine {
			if p := d.list[i].path[d.base:]; hasPrefix(p, path[:n]) && !slices.Contains(stmts, i) {
				if head >= 0 || len(p) != n || d.list[i].kind != unstable.Table {
					return stmts
				}
				head = i
			}
		}
		if head < 0 {
			continue
		}
		end := len(d.data)
		if i := slices.IndexFunc(d.list[head+1:], func(s stmt) bool { return s.kind != unstable.KeyValue }); i >= 0 {
			end = d.list[head+1+i].start
		}
		if slices.ContainsFunc(d.comments, func(c int) bool { return c > d.list[head].start && c < end }) {
			return stmts
		}
		stmts = append(stmts, head)
		slices.Sort(stmts)
	}
	return stmts
}
