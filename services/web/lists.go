package web

import (
	"maps"
	"net/url"
	"strconv"

	"framagit.org/frama/frama/services/control"
)

// tab is one state of a list with how many entries it has.
type tab struct {
	Label   string // message key
	Href    string
	Count   int // negative where nobody counts
	Current bool
}

func newTab(path, label string, query url.Values, state string, count int, current bool) tab {
	return tab{Label: label + state, Href: address(path, query, "state", state), Count: count, Current: current}
}

// pages are the links between the pages of a list.
type pages struct {
	Number, Last, Total int
	Prev, Next          string // empty at either end
}

func newPages(p control.Page, path string, query url.Values) pages {
	v := pages{Number: max(1, p.Number), Last: p.Last(), Total: p.Total}
	if v.Number > 1 {
		v.Prev = address(path, query, "page", strconv.Itoa(min(v.Number-1, v.Last)))
	}
	if v.Number < v.Last {
		v.Next = address(path, query, "page", strconv.Itoa(v.Number+1))
	}
	return v
}

// address is path with the query and one more value, without empty ones.
func address(path string, query url.Values, key, value string) string {
	q := maps.Clone(query)
	q[key] = []string{value}
	maps.DeleteFunc(q, func(_ string, v []string) bool { return v[0] == "" })
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
