package hosting_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
)

func offer() hosting.Offer {
	return hosting.Offer{Kinds: []string{"pads", "calcs"}, Plans: []string{"small", "large"}, CharterVersion: "2", Reserved: reserved()}
}

func good() hosting.Submission {
	return hosting.Submission{
		Association: hosting.Association{Name: "Les Amis du Vélo", RNA: "W751234567", SIRET: "73282932000074", Website: "https://velo.example.org/"},
		Contact:     hosting.Contact{Name: "Zoé Ñuñez", Email: "zoe@example.org", Lang: "fr"},
		Purpose:     "Préparer nos sorties :\n- comptes rendus\n\t- plans ✓",
		Slug:        "amis-velo", Kinds: []string{"pads", "calcs"}, Plan: "small", Charter: "2",
	}
}

func TestGoodSubmissionsPass(t *testing.T) {
	for name, change := range map[string]func(*hosting.Submission){
		"as it is": func(*hosting.Submission) {},
		"no numbers, no website": func(s *hosting.Submission) {
			s.Association.RNA, s.Association.SIRET, s.Association.Website = "", "", ""
		},
		"numbers with separators": func(s *hosting.Submission) {
			s.Association.RNA, s.Association.SIRET = " w75 123-4567 ", "732 829 320 00074"
		},
		"apostrophe, ampersand, quotes": func(s *hosting.Submission) { s.Association.Name = `L’"Été" d'Anne & Co <3; DROP TABLE` },
		"other scripts":                 func(s *hosting.Submission) { s.Association.Name = "Ассоциация 日本語 العربية" },
		"spaces around and within":      func(s *hosting.Submission) { s.Association.Name = "  Les\t Amis \r\n du\u00a0Vélo " },
		"purpose of an old system":      func(s *hosting.Submission) { s.Purpose = "une ligne\rune autre\r\nla fin" },
		"emoji":                         func(s *hosting.Submission) { s.Purpose = "Nous aimons le vélo ❤️🚲" },
		"slug in capitals":              func(s *hosting.Submission) { s.Slug = " Amis-VELO " },
		"name of 120 characters":        func(s *hosting.Submission) { s.Association.Name = strings.Repeat("é", hosting.MaxName) },
		"purpose of 4000 characters":    func(s *hosting.Submission) { s.Purpose = strings.Repeat("é", hosting.MaxPurpose) },
		"internationalised website":     func(s *hosting.Submission) { s.Association.Website = "https://vélo.example.org:8443/a?b=c#d" },
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			change(&s)
			if err := s.Normal().Validate(offer()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBadSubmissionsSayWhichFieldAndWhy(t *testing.T) {
	type bad struct {
		field, key string
		change     func(*hosting.Submission)
	}
	cases := map[string]bad{
		"no name":           {"association", "error.required", func(s *hosting.Submission) { s.Association.Name = " \n " }},
		"name of 1":         {"association", "error.short", func(s *hosting.Submission) { s.Association.Name = "a" }},
		"name of 121":       {"association", "error.long", func(s *hosting.Submission) { s.Association.Name = strings.Repeat("é", 121) }},
		"name of 10 kB":     {"association", "error.long", func(s *hosting.Submission) { s.Association.Name = strings.Repeat("a", 10_000) }},
		"no contact":        {"contact", "error.required", func(s *hosting.Submission) { s.Contact.Name = "" }},
		"short purpose":     {"purpose", "error.short", func(s *hosting.Submission) { s.Purpose = "des pads" }},
		"long purpose":      {"purpose", "error.long", func(s *hosting.Submission) { s.Purpose = strings.Repeat("a", 4001) }},
		"purpose of dots":   {"purpose", "error.characters", func(s *hosting.Submission) { s.Purpose = "............" }},
		"RNA too short":     {"rna", "error.rna", func(s *hosting.Submission) { s.Association.RNA = "W12345678" }},
		"SIRET check digit": {"siret", "error.siret", func(s *hosting.Submission) { s.Association.SIRET = "73282932000075" }},
		"language":          {"lang", "error.choice", func(s *hosting.Submission) { s.Contact.Lang = "de" }},
		"no email":          {"email", "error.required", func(s *hosting.Submission) { s.Contact.Email = "  " }},
		"no slug":           {"slug", "error.required", func(s *hosting.Submission) { s.Slug = "" }},
		"reserved slug":     {"slug", "error.slug_reserved", func(s *hosting.Submission) { s.Slug = "notre-chaton" }},
		"no kinds":          {"kinds", "error.kinds", func(s *hosting.Submission) { s.Kinds = nil }},
		"kind not offered":  {"kinds", "error.choice", func(s *hosting.Submission) { s.Kinds = []string{"pads", "forms"} }},
		"kind twice":        {"kinds", "error.choice", func(s *hosting.Submission) { s.Kinds = []string{"pads", "pads"} }},
		"kind with HCL":     {"kinds", "error.choice", func(s *hosting.Submission) { s.Kinds = []string{"${pads}"} }},
		"no plan":           {"plan", "error.choice", func(s *hosting.Submission) { s.Plan = "" }},
		"unknown plan":      {"plan", "error.choice", func(s *hosting.Submission) { s.Plan = "SMALL" }},
		"charter unread":    {"charter", "error.charter", func(s *hosting.Submission) { s.Charter = "" }},
		"older charter":     {"charter", "error.charter_changed", func(s *hosting.Submission) { s.Charter = "1" }},
	}
	for name, text := range map[string]string{
		"right-to-left override":    "Amis \u202edu vélo",
		"right-to-left mark":        "Amis \u200fdu vélo",
		"isolate":                   "Amis \u2066du vélo",
		"zero-width space":          "Ami\u200bs du vélo",
		"byte order mark":           "\ufeffAmis du vélo",
		"soft hyphen":               "Amis\u00addu vélo",
		"NUL":                       "Amis\x00du vélo",
		"escape sequence":           "Amis \x1b[31mdu vélo",
		"delete":                    "Amis du vélo\x7f",
		"C1 control":                "Amis du \u0085vélo",
		"line separator":            "Amis du\u2028vélo",
		"paragraph separator":       "Amis du\u2029vélo",
		"invalid UTF-8":             "Amis du v\xe9lo",
		"replacement character":     "Amis du v\ufffdlo",
		"surrogate in UTF-8":        "Amis \xed\xa0\x80 du vélo",
		"private use":               "Amis \ue000 du vélo",
		"unassigned":                "Amis \u0378 du vélo",
		"tag characters":            "Amis \U000e0041 du vélo",
		"Hangul filler":             "Amis \u3164 du vélo",
		"only Hangul fillers":       strings.Repeat("\u3164", 12),
		"braille blank":             "Amis \u2800 du vélo",
		"combining grapheme joiner": "Amis\u034f du vélo",
	} {
		cases["association with "+name] = bad{"association", "error.characters", func(s *hosting.Submission) { s.Association.Name = text }}
		cases["contact with "+name] = bad{"contact", "error.characters", func(s *hosting.Submission) { s.Contact.Name = text }}
		cases["purpose with "+name] = bad{"purpose", "error.characters", func(s *hosting.Submission) { s.Purpose = text }}
	}
	for _, site := range []string{
		"velo.example.org", "//velo.example.org", "ftp://velo.example.org", "javascript:alert(1)", "data:text/html,x", "https://", "https:///x",
		"https://localhost", "https://user:secret@velo.example.org", "https://velo.example.org/\x00", "https://velo .example.org",
		"https://velo.example.org/a b", "https://.", "https://..", "https://velo..org", "https://velo.example.org.", "https://-.-",
		`https://velo.example.org"><script>alert(1)</script>`, "https://velo.<b>.org", "https://[::1]", "https://[::ffff:192.0.2.1]",
		"https://velo.example.org:port", "https://velo.ex\u200bample.org", "https://velo.example.org/\u202e", "https://velo.example.org/%zz",
		"https://velo.example.org/" + strings.Repeat("a", hosting.MaxWebsite), "https://velo.example.org/\xff", "http:velo.example.org",
	} {
		cases[fmt.Sprintf("website %.40q", site)] = bad{"website", "error.website", func(s *hosting.Submission) { s.Association.Website = site }}
	}
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.change(&s)
			err := s.Normal().Validate(offer())
			var known *hosting.Error
			if !errors.As(err, &known) || known.Code != hosting.Invalid {
				t.Fatalf("got %v, want an error of code invalid", err)
			}
			if len(known.Fields) != 1 || known.Fields[0].Field != c.field || known.Fields[0].Key != c.key {
				t.Errorf("got %+v, want only %s: %s", known.Fields, c.field, c.key)
			}
		})
	}
}

func TestEveryFieldIsToldAtOnce(t *testing.T) {
	err := hosting.Submission{}.Normal().Validate(offer())
	var known *hosting.Error
	if !errors.As(err, &known) {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range known.Fields {
		fields = append(fields, f.Field)
	}
	want := []string{"association", "charter", "contact", "email", "kinds", "lang", "plan", "purpose", "slug"}
	if !slices.Equal(fields, want) {
		t.Errorf("wrong fields: %v, want %v", fields, want)
	}
}

func TestEmails(t *testing.T) {
	for _, address := range []string{
		"zoe@example.org", "zoe.d'arc+frama@sub.example.org", "Z_O-E@EXAMPLE.ORG", "1@2.fr", "o'neil@xn--vlo-9la.fr",
		strings.Repeat("a", 64) + "@example.org",
	} {
		if !hosting.ValidEmail(address) {
			t.Errorf("%s is refused", address)
		}
	}
	for _, address := range []string{
		"", "zoe", "zoe@", "@example.org", "zoe@example", "zoe@@example.org", "zoe@a@example.org", "zoe@example..org", "zoe@.example.org",
		"zoe@example.org.", "zoe.@example.org", ".zoe@example.org", "z..oe@example.org", "zoe@-example.org", "zoe@example-.org",
		"Zoe <zoe@example.org>", "<zoe@example.org>", "zoe@example.org, anne@example.org", "zoe@example.org;anne@example.org",
		"zoe@example.org\nBcc: all@example.org", "zoe@example.org\r\nBcc: all@example.org", "zoe\x00@example.org", "zoe@exam\tple.org",
		"zoe @example.org", "\"zoe\"@example.org", "\"a b\"@example.org", "zoe(comment)@example.org", "zoe@[192.0.2.1]", "zoe@192.0.2.1",
		"zoé@example.org", "zoe@exämple.org", "zoe\u202e@example.org", "zoe\u200b@example.org", "zoe@ехаmple.org", "zoe\xff@example.org",
		"=?utf-8?q?zoe?= <zoe@example.org>", "group:zoe@example.org;", "zoe\\@example.org", "zoe@exa_mple.org",
		strings.Repeat("a", 65) + "@example.org", "zoe@" + strings.Repeat("a", 64) + ".org",
		"zoe@" + strings.Repeat("a.", 130) + "org", strings.Repeat("(", 100_000), strings.Repeat("a@", 100_000),
	} {
		if hosting.ValidEmail(address) {
			t.Errorf("%.60q is accepted", address)
		}
	}
}

func TestRNA(t *testing.T) {
	for number, want := range map[string]bool{
		"W751234567": true, "W9R1001234": true, "W2A1234567": true, "W000000000": true,
		"": false, "W75123456": false, "W7512345678": false, "w751234567": false, "X751234567": false, "7512345678": false,
		"WR91234567": false, "W7512345A7": false, "W75123456é": false, "W٧٥١٢٣٤٥": false, "W9r1001234": false,
	} {
		if got := hosting.ValidRNA(number); got != want {
			t.Errorf("ValidRNA(%q) = %v, want %v", number, got, want)
		}
	}
}

func TestSIRET(t *testing.T) {
	for number, want := range map[string]bool{
		"73282932000074":  true,
		"35600000000048":  true, // La Poste's head office, which passes Luhn as well
		"35600000049837":  true, // a post office: digits add up to 45, Luhn fails
		"35600000049838":  false,
		"73282932000075":  false,
		"7328293200007":   false,
		"732829320000740": false,
		"00000000000000":  false,
		"7328293200007a":  false,
		"٧٣٢٨٢٩٣":         false, // fourteen bytes of other digits
		"":                false,
	} {
		if got := hosting.ValidSIRET(number); got != want {
			t.Errorf("ValidSIRET(%q) = %v, want %v", number, got, want)
		}
	}
}

// Luhn finds every single wrong digit.
func TestSIRETFindsAnyWrongDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.StringMatching(`[1-9][0-9]{12}`).Filter(func(s string) bool { return !strings.HasPrefix(s, "356000000") }).Draw(t, "base")
		var valid []string
		for d := range 10 {
			if n := fmt.Sprint(base, d); hosting.ValidSIRET(n) {
				valid = append(valid, n)
			}
		}
		if len(valid) != 1 {
			t.Fatalf("%s has the check digits %v, want exactly one", base, valid)
		}
		at, by := rapid.IntRange(0, 13).Draw(t, "at"), rapid.ByteRange(1, 9).Draw(t, "by")
		wrong := []byte(valid[0])
		wrong[at] = '0' + (wrong[at]-'0'+by)%10
		if hosting.ValidSIRET(string(wrong)) && !strings.HasPrefix(string(wrong), "356000000") {
			t.Fatalf("%s passes, and so does %s", valid[0], wrong)
		}
	})
}

func anything(t *rapid.T) hosting.Submission {
	text := rapid.OneOf(names(), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	of := func(label, usual string) string { return rapid.OneOf(rapid.Just(usual), text).Draw(t, label) }
	s := good()
	return hosting.Submission{
		Association: hosting.Association{
			Name: of("association", s.Association.Name), RNA: of("rna", s.Association.RNA),
			SIRET: of("siret", s.Association.SIRET), Website: of("website", s.Association.Website),
		},
		Contact: hosting.Contact{Name: of("contact", s.Contact.Name), Email: of("email", s.Contact.Email), Lang: of("lang", "fr")},
		Purpose: of("purpose", s.Purpose), Slug: of("slug", s.Slug),
		Kinds: rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]string{"pads", "calcs"}), text), 0, 3).Draw(t, "kinds"),
		Plan:  of("plan", "small"), Charter: of("charter", "2"),
	}
}

// check states what holds of every submission that passes, whoever wrote it.
func check(t interface{ Fatalf(string, ...any) }, s hosting.Submission) {
	n := s.Normal()
	if again := n.Normal(); !reflect.DeepEqual(n, again) {
		t.Fatalf("Normal changes its own output:\n%+q\n%+q", n, again)
	}
	err := n.Validate(offer())
	if err != nil {
		var known *hosting.Error
		if !errors.As(err, &known) || known.Code != hosting.Invalid || len(known.Fields) == 0 {
			t.Fatalf("an error that nobody can read: %v", err)
		}
		return
	}
	for _, v := range []string{n.Association.Name, n.Association.RNA, n.Association.SIRET, n.Association.Website, n.Contact.Name,
		n.Contact.Email, n.Purpose, n.Slug} {
		if !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\u202e\u200b\u3164") {
			t.Fatalf("%+q passed", v)
		}
	}
	if strings.ContainsAny(n.Association.Name+n.Contact.Name+n.Contact.Email+n.Association.Website, "\r\n") {
		t.Fatalf("a line end passed where a mail header may take it: %+q", n)
	}
	if hosting.SlugProblem(n.Slug, offer().Reserved) != "" || strings.Count(n.Contact.Email, "@") != 1 {
		t.Fatalf("passed: %+q", n)
	}
}

func TestWhateverPassesIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { check(t, anything(t)) })
}

// A body of the largest size the web server accepts costs little, whatever is in it.
func TestLongInputIsCheap(t *testing.T) {
	const size = 256 << 10
	start := time.Now()
	for _, unit := range []string{"a", "-", "é", "\xff", " ", "a ", "\r\n", "@", "a@", "(", "\u202e", "https://", "9"} {
		long := strings.Repeat(unit, size/len(unit))
		s := hosting.Submission{
			Association: hosting.Association{Name: long, RNA: long, SIRET: long, Website: long},
			Contact:     hosting.Contact{Name: long, Email: long, Lang: long},
			Purpose:     long, Slug: long, Kinds: strings.Split(long, " "), Plan: long, Charter: long,
		}
		if s.Normal().Validate(offer()) == nil {
			t.Errorf("%d bytes of %q pass", size, unit)
		}
		hosting.ProposeSlug(long, reserved())
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzValidate(f *testing.F) {
	s := good()
	f.Add(s.Association.Name, s.Association.RNA, s.Association.SIRET, s.Association.Website, s.Contact.Name, s.Contact.Email, s.Purpose, s.Slug)
	f.Add("\u3164\u3164", "w2a 1234567", "356 000 000 49837", "http://a.b\"", "a\xff", "a@[::1]", "\r\r\r", "XN--a")
	f.Fuzz(func(t *testing.T, name, rna, siret, website, contact, email, purpose, slug string) {
		s := good()
		s.Association = hosting.Association{Name: name, RNA: rna, SIRET: siret, Website: website}
		s.Contact.Name, s.Contact.Email, s.Purpose, s.Slug = contact, email, purpose, slug
		check(t, s)
		if p := hosting.ProposeSlug(name, reserved()); p != "" && hosting.SlugProblem(p, reserved()) != "" {
			t.Fatalf("ProposeSlug(%q) = %q", name, p)
		}
	})
}
