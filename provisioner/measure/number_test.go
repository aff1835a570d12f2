package measure

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "42": 42, " 42\n": 42, "+7": 7, "9007199254740992": 1 << 53, "9007199254740991": 1<<53 - 1, "12.0": 12, "1e3": 1000,
		"1.5e1": 15, "1.234567e+06": 1234567, "007": 7, "-0": 0,
	} {
		if value, problem := number(text); problem != "" || value != want {
			t.Errorf("%q: %d, %q; want %d", text, value, problem, want)
		}
	}
	for text, words := range map[string]string{
		"": "nothing came", "  \n": "nothing came", "-1": "less than nothing", "9007199254740993": "more than there can be",
		"99999999999999999999": "more than there can be", "1e999": "more than there can be", "1e100": "more than there can be", "1.5": "a fraction", "NaN": "no amount",
		"+Inf": "no amount", "-inf": "no amount", "many": "no number", "0x10": "no number", "1_000": "no number", "1,000": "no number",
		"12 34": "several words", "12\n34": "several words", "Warning: 3": "several words", "1e9999": "no number", "١٢": "no number",
	} {
		if value, problem := number(text); value != 0 || !strings.Contains(problem, words) {
			t.Errorf("%q: %d, %q; want %q", text, value, problem, words)
		}
	}
}

// TestNumbersAreExact: every whole number that can be true is read as it was written, in each of the three ways.
func TestNumbersAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Int64Range(0, most).Draw(t, "number")
		text := strconv.FormatInt(want, 10)
		inJSON, err := field([]byte(`{"a":[{"b":`+text+`}],"z":null}`), "a.0.b")
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := field([]byte(`{"b":"`+text+`"}`), "b")
		if err != nil {
			t.Fatal(err)
		}
		metric, err := sum([]byte("b "+strconv.FormatFloat(float64(want), 'g', -1, 64)+"\n"), "b")
		if err != nil {
			t.Fatal(err)
		}
		for _, came := range []string{text, inJSON, quoted, metric} {
			if value, problem := number(came); value != want || problem != "" {
				t.Fatalf("%q: %d, %s", came, value, problem)
			}
		}
	})
}

// TestNumbersNeverLie: whatever comes, a value is never negative and never more than there can be, and a problem has none.
func TestNumbersNeverLie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[+-]?[0-9]{0,30}(\.[0-9]{0,5})?([eE][+-]?[0-9]{0,4})?`)).Draw(t, "text")
		value, problem := number(text)
		if value < 0 || value > most || problem != "" && value != 0 {
			t.Fatalf("%q: %d, %q", text, value, problem)
		}
	})
}
