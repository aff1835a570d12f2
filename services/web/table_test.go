package web

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTablesHoldNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "12": "12", "-12": "-12", "Les Amis du Vélo": "Les Amis du Vélo", `=HYPERLINK("http://evil.example")`: `'=HYPERLINK("http://evil.example")`, "+1+1": "'+1+1",
		"-2+3": "'-2+3", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "  =1": "'  =1", "|calc": "'|calc", "＝1": "'＝1", "a\t=1": "'a\t=1", "-": "-", "2026-11-22T10:00:00Z": "2026-11-22T10:00:00Z",
	} {
		if got := plain(cell); got != want {
			t.Errorf("plain(%q) = %q, want %q", cell, got, want)
		}
	}
}

// Whatever people called their association, the file has the cells that were meant, and none that a spreadsheet runs.
func TestTablesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOfN(rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune("=+-@\t\r\n;,\"'| 019")), rapid.Rune())), 1, 5).Draw(t, "cells")
		body, err := table{cells}.csv()
		if err != nil {
			t.Fatal(err)
		}
		read := csv.NewReader(bytes.NewReader(body))
		read.LazyQuotes = false
		rows, err := read.ReadAll()
		if len(cells) == 1 && cells[0] == "" || err == nil && len(rows) == 0 {
			return // a line with nothing on it
		}
		if err != nil || len(rows) != 1 || len(rows[0]) != len(cells) {
			t.Fatalf("%q: %v %v", body, rows, err)
		}
		for i, cell := range rows[0] {
			if strings.ContainsAny(firstRune(cell), "=+@\t\r") {
				t.Fatalf("%q from %q", cell, cells[i])
			}
		}
	})
}
