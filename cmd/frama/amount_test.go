package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
)

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		metric, text string
		want         int64
	}{
		{"storage", "40GiB", 40 << 30}, {"storage", "1.5 GiB", 3 << 29}, {"storage", "500m", 500 << 20}, {"storage", "12B", 12},
		{"storage", "none", hosting.Unlimited}, {"storage", "2T", 2 << 40}, {"accounts", "50", 50}, {"accounts", "0", 0}, {"pads", "none", hosting.Unlimited},
	} {
		if got, err := amount(c.metric, c.text); err != nil || got != c.want {
			t.Errorf("amount(%s, %q) = %d, %v; want %d", c.metric, c.text, got, err, c.want)
		}
	}
	for _, c := range [][2]string{
		{"storage", "40"}, {"storage", "GiB"}, {"storage", "-1GiB"}, {"storage", "NaNGiB"}, {"storage", "1e30TiB"}, {"accounts", "5.5"},
		{"accounts", "40GiB"}, {"accounts", "-1"}, {"accounts", ""}, {"pads", "many"}, {"storage", "InfB"},
	} {
		if got, err := amount(c[0], c[1]); err == nil {
			t.Errorf("amount(%s, %q) = %d, want a refusal", c[0], c[1], got)
		}
	}
}

// TestFigure: what is shown can be typed again, and means the same to the tenth that is shown.
func TestFigure(t *testing.T) {
	if got := hosting.Figure("storage", 3<<29); got != "1.5 GiB" {
		t.Errorf("figure = %q", got)
	}
	if got := hosting.Figure("pads", 1234); got != "1234" {
		t.Errorf("figure = %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64Range(0, 1<<50).Draw(t, "bytes")
		text := hosting.Figure("storage", value)
		back, err := amount("storage", text)
		if err != nil {
			t.Fatalf("%q cannot be typed: %v", text, err)
		}
		if diff := float64(back - value); diff > 0.06*float64(value)+1 || -diff > 0.06*float64(value)+1 {
			t.Fatalf("%d is shown as %q, which means %d", value, text, back)
		}
	})
}

func TestGrown(t *testing.T) {
	for _, c := range []struct {
		metric string
		by     int64
		want   string
	}{{"accounts", 3, "+3"}, {"accounts", 0, "0"}, {"accounts", -1, "-1"}, {"storage", -1, "-1 B"}, {"storage", 3 << 29, "+1.5 GiB"}} {
		if got := grown(c.metric, c.by); got != c.want {
			t.Errorf("grown(%s, %d) = %q, want %q", c.metric, c.by, got, c.want)
		}
	}
}

// TestPointLabel: the day of a point is the day of UTC it stands for, wherever the terminal is.
func TestPointLabel(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).In(time.FixedZone("west", -4*3600))
	if got := pointLabel(at, 24*time.Hour); got != "2026-03-01" {
		t.Errorf("the day is shown as %s", got)
	}
}

func TestBar(t *testing.T) {
	for permille, want := range map[int]int{-5: 0, 0: 0, 499: 4, 500: 5, 1000: 10, 2500: 10} {
		if got := bar(permille, 10); strings.Count(got, "#") != want || len(got) != 12 {
			t.Errorf("bar(%d) = %q", permille, got)
		}
	}
}
