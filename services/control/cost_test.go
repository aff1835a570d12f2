package control

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func share(slug string, memory, disk int, accounts int64) store.SpaceShare {
	return store.SpaceShare{Space: hosting.Space{Slug: slug}, Reserved: hosting.Resources{Memory: memory, Disk: disk}, Accounts: accounts}
}

func commonsShare(slug string, memory, disk int) store.SpaceShare {
	s := share(slug, memory, disk, -1)
	s.Space.Shared = true
	return s
}

func TestCosts(t *testing.T) {
	bill := Cost{Currency: "EUR", Servers: 100, Hours: 10, HourRate: 20, Other: 100, SeatPrice: 6, Watts: 200, GramsPerKWh: 50}
	for name, c := range map[string]struct {
		spaces []store.SpaceShare
		want   map[string]float64 // share
	}{
		"nobody":                  {nil, nil},
		"only the host's own":     {[]store.SpaceShare{commonsShare("lists", 512, 1024)}, nil},
		"half each":               {[]store.SpaceShare{share("a", 300, 0, -1), share("b", 100, 1000, -1)}, map[string]float64{"a": 0.375, "b": 0.625}},
		"no disk anywhere":        {[]store.SpaceShare{share("a", 300, 0, -1), share("b", 100, 0, -1)}, map[string]float64{"a": 0.75, "b": 0.25}},
		"no memory anywhere":      {[]store.SpaceShare{share("a", 0, 30, -1), share("b", 0, 10, -1)}, map[string]float64{"a": 0.75, "b": 0.25}},
		"nothing reserved at all": {[]store.SpaceShare{share("a", 0, 0, -1), share("b", 0, 0, -1)}, map[string]float64{"a": 0.5, "b": 0.5}},
		"the host's own is borne by all": {
			[]store.SpaceShare{share("a", 100, 100, -1), commonsShare("lists", 200, 200), share("b", 100, 100, -1), share("c", 0, 0, -1)},
			map[string]float64{"a": 0.25 + 1.0/6, "b": 0.25 + 1.0/6, "c": 1.0 / 6},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := costs(bill, c.spaces)
			if v.Total != 400 || v.People != 200 || !v.Known || v.Count != len(c.want) || len(v.Spaces) != len(c.want) || v.Currency != "EUR" {
				t.Errorf("%+v", v)
			}
			for i, s := range v.Spaces {
				if want := c.want[s.Space.Slug]; math.Abs(s.Share-want) > 1e-9 || math.Abs(s.Amount-400*want) > 1e-6 || math.Abs(s.KWh-v.KWh*want) > 1e-9 {
					t.Errorf("%s bears %+v, want %g", s.Space.Slug, s, want)
				}
				if i > 0 && s.Share > v.Spaces[i-1].Share {
					t.Error("the dearest is not first")
				}
			}
		})
	}
	if v := costs(bill, nil); v.KWh != 146.1 || math.Abs(v.KgCO2-7.305) > 1e-9 {
		t.Errorf("200 W for a month of 730.5 h: %g kWh, %g kg", v.KWh, v.KgCO2)
	}
	if v := costs(Cost{Currency: "EUR", HourRate: 30}, nil); v.Known {
		t.Error("no figures were entered")
	}
}

func TestCostsAgainstACommercialSuite(t *testing.T) {
	spaces := []store.SpaceShare{share("a", 1, 1, 50), share("b", 1, 1, -1), share("c", 1, 1, 0)}
	v := costs(Cost{SeatPrice: 6.5}, spaces)
	if v.Accounts != 50 || v.Suite != 325 || !v.Known {
		t.Errorf("%+v", v)
	}
	for _, s := range v.Spaces {
		if want := map[string]float64{"a": 325}[s.Space.Slug]; s.Suite != want {
			t.Errorf("%s would pay %g, want %g", s.Space.Slug, s.Suite, want)
		}
	}
	if v := costs(Cost{}, spaces); v.Suite != 0 || v.Spaces[0].Suite != 0 {
		t.Error("a price nobody gave")
	}
}

// Whatever the spaces reserve, all of the cost is borne, by those who use it, and who reserves more never bears less.
func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var spaces []store.SpaceShare
		for range rapid.IntRange(0, 250).Draw(t, "spaces") {
			s := share("s", rapid.IntRange(0, 1<<20).Draw(t, "memory"), rapid.IntRange(0, 1<<24).Draw(t, "disk"), -1)
			s.Space.Shared = rapid.IntRange(0, 9).Draw(t, "own") == 0
			spaces = append(spaces, s)
		}
		of, sum, bearers := shares(spaces), 0.0, 0
		for i, a := range spaces {
			if a.Space.Shared {
				if of[i] != 0 {
					t.Fatalf("the host's own bears %g", of[i])
				}
				continue
			}
			bearers++
			sum += of[i]
			for j, b := range spaces {
				if !b.Space.Shared && a.Reserved.Memory >= b.Reserved.Memory && a.Reserved.Disk >= b.Reserved.Disk && of[i] < of[j]-1e-9 {
					t.Fatalf("%+v bears %g, %+v bears %g", a.Reserved, of[i], b.Reserved, of[j])
				}
			}
		}
		if bearers > 0 && math.Abs(sum-1) > 1e-9 {
			t.Fatalf("%d spaces bear %g", bearers, sum)
		}
		if v := costs(Cost{Servers: 10}, spaces); v.Count != bearers || len(v.Spaces) != min(bearers, 200) {
			t.Fatalf("%d of %d", len(v.Spaces), v.Count)
		}
	})
}
