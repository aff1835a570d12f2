package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// table is rows for a spreadsheet, the first of them the names of the columns.
type table [][]string

// csv writes the table. Spreadsheets take a cell that begins like a formula for one, and run it: such a cell gets an
// apostrophe first, which they hide and which makes it text.
func (t table) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, row := range t {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = plain(cell)
		}
		if err := w.Write(safe); err != nil {
			return nil, fmt.Errorf("write a table: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// plain is the cell as text that no spreadsheet runs. Whole numbers stay numbers.
func plain(cell string) string {
	cell = strings.ToValidUTF8(strings.ReplaceAll(cell, "\x00", ""), "\ufffd")
	if strings.Trim(strings.TrimPrefix(cell, "-"), "0123456789") == "" {
		return cell
	}
	// Full-width forms are formulas too where the keyboard of the spreadsheet's country has them.
	if strings.ContainsAny(firstRune(strings.TrimLeft(cell, " \u00a0")), "=+-@\t\r\n|＝＋－＠") || strings.ContainsAny(cell, "\t\r") {
		return "'" + cell
	}
	return cell
}

func firstRune(text string) string {
	for _, r := range text {
		return string(r)
	}
	return ""
}

// sendTable has the browser keep the table under that name, of which only letters, digits and hyphens stay.
func sendTable(c *fiber.Ctx, name string, t table) error {
	body, err := t.csv()
	if err != nil {
		return err
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	c.Set("Content-Type", "text/csv; charset=utf-8")
	c.Set("Content-Disposition", `attachment; filename="`+name[:min(len(name), 120)]+`.csv"`)
	return c.Send(body)
}
