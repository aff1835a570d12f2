package hosting

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what people type, in characters (not bytes).
const (
	MaxName    = 120
	MinName    = 2
	MaxEmail   = 254 // RFC 5321 §4.5.3.1.3, less the angle brackets
	MaxPurpose = 4000
	MinPurpose = 10
	MaxWebsite = 300
	MaxReason  = 2000
)

// Submission is the public form as it was filled in. The field names of errors are those of the form.
type Submission struct {
	Association Association // fields association, rna, siret, website
	Contact     Contact     // fields contact, email, lang
	Purpose     string      // field purpose
	Slug        string      // field slug
	Kinds       []string    // field kinds
	Plan        string      // field plan
	Charter     string      // field charter: the version that was accepted, empty when it was not
}

// Offer is what a host offers at the moment a form is sent.
type Offer struct {
	Kinds          []string // kinds that can be asked for
	Plans          []string
	CharterVersion string
	Reserved       Reserved // further slugs that nobody may have
}

// Normal returns s as it will be kept: spaces trimmed and folded, slug in lower case, registration numbers without
// separators. What it returns is shown again in the form, so it never drops what somebody typed.
func (s Submission) Normal() Submission {
	s.Association.Name = oneLine(s.Association.Name)
	s.Association.RNA = strings.ToUpper(unseparated(s.Association.RNA))
	s.Association.SIRET = unseparated(s.Association.SIRET)
	s.Association.Website = strings.TrimSpace(s.Association.Website)
	s.Contact.Name = oneLine(s.Contact.Name)
	s.Contact.Email = strings.TrimSpace(s.Contact.Email)
	s.Purpose = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s.Purpose))
	s.Slug = strings.ToLower(strings.TrimSpace(s.Slug))
	return s
}

// Validate says what is wrong with s, all fields at once, as an *Error of code Invalid. It expects Normal's output.
func (s Submission) Validate(offer Offer) error {
	errs := fieldErrors{}
	text(errs, "association", s.Association.Name, MinName, MaxName, false)
	text(errs, "contact", s.Contact.Name, MinName, MaxName, false)
	text(errs, "purpose", s.Purpose, MinPurpose, MaxPurpose, true)
	if s.Association.RNA != "" && !ValidRNA(s.Association.RNA) {
		errs.add("rna", "error.rna")
	}
	if s.Association.SIRET != "" && !ValidSIRET(s.Association.SIRET) {
		errs.add("siret", "error.siret")
	}
	if s.Association.Website != "" && !validWebsite(s.Association.Website) {
		errs.add("website", "error.website")
	}
	if s.Contact.Email == "" {
		errs.add("email", "error.required")
	} else if !ValidEmail(s.Contact.Email) {
		errs.add("email", "error.email")
	}
	if s.Contact.Lang != "fr" && s.Contact.Lang != "en" {
		errs.add("lang", "error.choice")
	}
	if key := SlugProblem(s.Slug, offer.Reserved); key != "" {
		errs.add("slug", key, MinSlug, MaxSlug)
	}
	if len(s.Kinds) == 0 {
		errs.add("kinds", "error.kinds")
	}
	seen := map[string]bool{}
	for _, k := range s.Kinds {
		if !slices.Contains(offer.Kinds, k) || seen[k] {
			errs.add("kinds", "error.choice")
		}
		seen[k] = true
	}
	if !slices.Contains(offer.Plans, s.Plan) {
		errs.add("plan", "error.choice")
	}
	switch s.Charter {
	case "":
		errs.add("charter", "error.charter")
	case offer.CharterVersion:
	default:
		errs.add("charter", "error.charter_changed")
	}
	return errs.err()
}

// ValidateReason says what is wrong with the reason of a refusal, as field reason.
func ValidateReason(reason string) error {
	errs := fieldErrors{}
	text(errs, "reason", reason, MinPurpose, MaxReason, true)
	return errs.err()
}

// text checks what somebody typed: length, valid UTF-8, and no character that changes how other text reads (controls,
// bidirectional overrides, invisible ones), since reviewers decide on what they see.
func text(errs fieldErrors, field, value string, minLen, maxLen int, lines bool) {
	switch n := utf8.RuneCountInString(value); {
	case value == "":
		errs.add(field, "error.required")
	case !utf8.ValidString(value):
		errs.add(field, "error.characters")
	case n < minLen:
		errs.add(field, "error.short", minLen)
	case n > maxLen:
		errs.add(field, "error.long", maxLen, n)
	}
	for _, r := range value {
		if hidden(r) && (!lines || (r != '\n' && r != '\t')) {
			errs.add(field, "error.characters")
			return
		}
	}
	if !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
		errs.add(field, "error.characters")
	}
}

// blanks are characters that Unicode counts as letters, marks or symbols but that show nothing: combining grapheme
// joiner, Hangul fillers, Khmer inherent vowels, braille blank.
const blanks = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

// hidden says whether r is a control, a format character (bidi overrides and isolates, zero-width ones), unassigned, or
// shows nothing. Zero-width joiners are format characters too; names that need them are rarer than the abuse.
func hidden(r rune) bool {
	return r == utf8.RuneError || unicode.Is(unicode.C, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) ||
		strings.ContainsRune(blanks, r)
}

// ValidEmail says whether s is one plain address: local@domain.tld, without display name, comment or quoted part.
func ValidEmail(s string) bool {
	if len(s) > MaxEmail || !isASCIIPrintable(s) || strings.ContainsAny(s, " \"(),:;<>[\\]") {
		return false
	}
	addr, err := mail.ParseAddress(s)
	if err != nil || addr.Address != s || addr.Name != "" {
		return false
	}
	local, domain, _ := strings.Cut(s, "@")
	if len(local) > 64 || !strings.Contains(domain, ".") {
		return false
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return false
		}
	}
	// No top-level domain is a number (RFC 3696 §2): this refuses IP addresses.
	return strings.ContainsFunc(labels[len(labels)-1], func(r rune) bool { return !digit(r) })
}

func validLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return strings.IndexFunc(l, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	}) < 0
}

func isASCIIPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

func validWebsite(s string) bool {
	if utf8.RuneCountInString(s) > MaxWebsite || strings.ContainsFunc(s, func(r rune) bool { return hidden(r) || unicode.IsSpace(r) }) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && validHost(u.Hostname())
}

// validHost wants a name with a dot in it. Letters of any script are allowed (internationalised names); the quotes and
// angle brackets that url.Parse lets pass are not.
func validHost(host string) bool {
	if !strings.Contains(host, ".") {
		return false
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			return r != '-' && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r)
		}) {
			return false
		}
	}
	return true
}

// ValidRNA checks a number of the Répertoire national des associations: W and nine digits (some overseas and
// Alsace-Moselle departments have a letter as second digit, as in W9R1001234 or W2A).
func ValidRNA(s string) bool {
	if len(s) != 10 || s[0] != 'W' {
		return false
	}
	for i, r := range s[1:] {
		if digit(r) || i == 1 && r >= 'A' && r <= 'Z' {
			continue
		}
		return false
	}
	return true
}

// ValidSIRET checks a SIRET number: fourteen digits with a Luhn check digit. La Poste's establishments (SIREN
// 356000000) follow a rule of their own, the sum of digits being a multiple of five.
func ValidSIRET(s string) bool {
	if len(s) != 14 || strings.IndexFunc(s, func(r rune) bool { return !digit(r) }) >= 0 {
		return false
	}
	sum, plain := 0, 0
	for i, r := range s {
		d := int(r - '0')
		plain += d
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	if strings.HasPrefix(s, "356000000") {
		return sum%10 == 0 || plain%5 == 0
	}
	return sum%10 == 0 && plain > 0
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

// oneLine folds runs of spaces and line ends into one space. Other controls stay, for Validate to name.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '\u00a0'
	}), " ")
}

func unseparated(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '.' || r == '-' {
			return -1
		}
		return r
	}, s)
}
