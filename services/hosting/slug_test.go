package hosting_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
)

// reserved is what a host keeps for itself in these tests.
func reserved() hosting.Reserved {
	return hosting.Reserved{Names: []string{"notre-chaton"}, Kinds: []string{"cloud", "pads", "lists", "social"}}
}

func TestSlugProblem(t *testing.T) {
	for slug, want := range map[string]string{
		"les-amis":                "",
		"abc":                     "",
		"3xs":                     "",
		strings.Repeat("a", 40):   "",
		"":                        "error.required",
		"ab":                      "error.slug_length",
		strings.Repeat("a", 41):   "error.slug_length",
		strings.Repeat("é", 4000): "error.slug_characters",
		"é":                       "error.slug_characters",
		"Amis":                    "error.slug_characters", // Normal folds it first
		"-amis":                   "error.slug_characters",
		"amis-":                   "error.slug_characters",
		"am--is":                  "error.slug_characters",
		"xn--80ak6aa92e":          "error.slug_characters", // shown as "аррӏе" by browsers
		"xn--":                    "error.slug_characters",
		"amis.":                   "error.slug_characters",
		"amis.example":            "error.slug_characters",
		"раураl":                  "error.slug_characters", // Cyrillic
		"ami\u200bs":              "error.slug_characters",
		"ami\u202es":              "error.slug_characters",
		"ami\x00s":                "error.slug_characters",
		"ami\xffs":                "error.slug_characters",
		"ami s":                   "error.slug_characters",
		"ami_s":                   "error.slug_characters",
		"ａｍｉｓ":                    "error.slug_characters", // full width
		"${x}":                    "error.slug_characters",
		"../../etc":               "error.slug_characters",
		"' OR 1=1":                "error.slug_characters",
		"2026":                    "error.slug_letter",
		"1-2-3":                   "error.slug_letter",
		"www":                     "error.slug_reserved",
		"postmaster":              "error.slug_reserved",
		"pads":                    "error.slug_reserved",
		"anne-pads":               "error.slug_reserved",
		"anne-cloud":              "error.slug_reserved",
		"anne-pads-2":             "",
		"notre-chaton":            "error.slug_reserved", // by the configuration
		"notre-chaton-2":          "",
		"lists":                   "error.slug_reserved", // the host's own, of all associations
		"anne-lists":              "error.slug_reserved",
		"lists-anne":              "",
		"commons-sympa":           "error.slug_reserved", // its handle
		"commons":                 "error.slug_reserved",
		"communs":                 "",
	} {
		if got := hosting.SlugProblem(slug, reserved()); got != want {
			t.Errorf("SlugProblem(%.60q) = %q, want %q", slug, got, want)
		}
	}
}

func TestProposeSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Association Les Amis du Vélo": "amis-velo",
		"Les Amis du Ve\u0301lo":       "amis-velo", // the accent is a character of its own
		"Cœur & Âme":                   "coeur-ame",
		"L’Été à la plage":             "ete-a-plage",
		"  ÉCOLE   n° 3 ":              "ecole-n-3",
		"La":                           "asso-la",
		"Admin":                        "asso-admin",
		"1901":                         "asso-1901",
		"日本語":                          "",
		"":                             "",
		"!!!":                          "",
		"\xff\xfe":                     "",
		"<script>alert(1)</script>":    "script-alert-1-script",
		"xn--80ak6aa92e":               "xn-80ak6aa92e",
		"Fédération nationale des usagers de transports": "federation-nationale-usagers",
		strings.Repeat("a", 500):                         strings.Repeat("a", 30),
		"Centre social":                                  "centresocial", // "centre-social" would be the network of "centre"
		"Lists":                                          "assolists",
		"Commons du Vélo":                                "asso-commons-velo",
	} {
		if got := hosting.ProposeSlug(name, reserved()); got != want {
			t.Errorf("ProposeSlug(%.60q) = %q, want %q", name, got, want)
		}
	}
}

// names draws what people, and those who wish us ill, call their associations.
func names() *rapid.Generator[string] {
	word := rapid.OneOf(
		rapid.SampledFrom([]string{"Les", "de", "l", "asso", "Association", "pads", "Cloud", "admin", "Amis", "42", "--", "xn--", "é", "œ",
			"e\u0301", "İ", "ß", "\u212a", "\xff", "日", strings.Repeat("x", 40)}),
		rapid.StringMatching(`[a-zA-Z0-9éèàç'’.&-]{0,12}`),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(word, 0, 8).Draw(t, "words"), rapid.SampledFrom([]string{" ", "", "-", "'"}).Draw(t, "between"))
	})
}

func TestProposalsAreAlwaysAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := names().Draw(t, "name")
		slug := hosting.ProposeSlug(name, reserved())
		if slug == "" {
			return
		}
		if problem := hosting.SlugProblem(slug, reserved()); problem != "" {
			t.Fatalf("ProposeSlug(%q) = %q, which has the problem %s", name, slug, problem)
		}
		if again := hosting.ProposeSlug(slug, reserved()); again != slug {
			t.Fatalf("ProposeSlug(%q) = %q, but of that %q", name, slug, again)
		}
	})
}

func TestAlternativesAreAlwaysAllowedAndDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slug := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{1,38}[a-z0-9])`).
			Filter(func(s string) bool { return hosting.SlugProblem(s, reserved()) == "" }).Draw(t, "slug")
		seen := map[string]bool{slug: true}
		for n := 2; n < 12; n++ {
			other := hosting.SlugAlternative(slug, n)
			if problem := hosting.SlugProblem(other, reserved()); problem != "" {
				t.Fatalf("alternative %d of %q is %q, which has the problem %s", n, slug, other, problem)
			}
			// A slug that ends in the number itself may meet itself once; the loop that asks goes on.
			if seen[other] && other != slug {
				t.Fatalf("alternative %d of %q is %q for the second time", n, slug, other)
			}
			seen[other] = true
		}
		for _, n := range []int{100, 123_456_789} {
			if other := hosting.SlugAlternative(slug, n); hosting.SlugProblem(other, reserved()) != "" {
				t.Fatalf("alternative %d of %q is %q", n, slug, other)
			}
		}
	})
}

func TestHostNamesFitOneLabel(t *testing.T) {
	longest := strings.Repeat("a", hosting.MaxSlug)
	for _, kind := range []string{"pads", strings.Repeat("k", 20)} {
		host := hosting.HostName(longest, kind, "example.org")
		label, rest, _ := strings.Cut(host, ".")
		if len(label) > 63 || rest != "example.org" {
			t.Errorf("host name %s has a first label of %d octets; RFC 1035 allows 63", host, len(label))
		}
	}
}

// The host's own spaces answer under the name of their kind, which no other space can have.
func TestHostNamesOfTheHostsOwn(t *testing.T) {
	if got, want := hosting.HostName("lists", "lists", "example.org"), "lists.example.org"; got != want {
		t.Errorf("host name %s, want %s", got, want)
	}
	if got, want := hosting.HostName("anne", "lists", "example.org"), "anne-lists.example.org"; got != want {
		t.Errorf("host name %s, want %s", got, want)
	}
	if hosting.SlugProblem(hosting.CommonsHandle("sympa"), reserved()) == "" {
		t.Error("an association may have a slug that is a handle of the host's own")
	}
}
