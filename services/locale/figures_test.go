package locale

import (
	"math"
	"testing"
	"time"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Percent(French, 874), "87\u00a0%"}, {Percent(English, 999), "99%"}, {Percent(English, 1000), "100%"}, {Percent(French, 1_000_000), "100\u202f000\u00a0%"}, {Percent(French, 0), "0\u00a0%"},
		{Decimal(French, 1.5, 2), "1,5"}, {Decimal(English, 1.5, 2), "1.5"}, {Decimal(English, 1234.50, 1), "1,234.5"}, {Decimal(English, 1234, 2), "1,234"}, {Decimal(French, 3, 0), "3"},
		{Decimal(English, 1000, 0), "1,000"}, {Decimal(French, -0.001, 2), "0"}, {Decimal(French, -2.25, 2), "-2,25"}, {Decimal(French, math.NaN(), 2), "–"}, {Decimal(English, math.Inf(1), 0), "–"}, {Decimal(English, 1e18, 0), "–"},
		{Money(French, 12345.5, "EUR"), "12\u202f345,50\u00a0€"}, {Money(English, 12345.5, "EUR"), "€12,345.50"}, {Money(English, 3, "CHF"), "CHF\u00a03.00"}, {Money(French, 3, "CHF"), "3,00\u00a0CHF"}, {Money(French, math.NaN(), "EUR"), "–"},
		{Day(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)), "02/11/2026"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
