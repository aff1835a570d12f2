package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// tomlTable writes one table of a configuration file from keys and values in turn.
func tomlTable(name string, pairs ...any) string {
	var b strings.Builder
	if name != "" {
		fmt.Fprintf(&b, "\n[%s]\n", name)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		switch value := pairs[i+1].(type) {
		case string:
			// Go's quoting of printable text is TOML's basic string.
			fmt.Fprintf(&b, "%s = %s\n", pairs[i], strconv.Quote(value))
		case []string:
			quoted := make([]string, len(value))
			for n, one := range value {
				quoted[n] = strconv.Quote(one)
			}
			fmt.Fprintf(&b, "%s = [%s]\n", pairs[i], strings.Join(quoted, ", "))
		default:
			fmt.Fprintf(&b, "%s = %v\n", pairs[i], value)
		}
	}
	return b.String()
}

func splitPort(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: %w", address, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("address %q: %w", address, err)
	}
	return host, port, nil
}
