package hosting

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A slug is one DNS label, and <slug>-<kind> must be one too (63 octets, RFC 1035 §2.3.4).
const (
	MinSlug = 3
	MaxSlug = 40
)

// Reserved are names that nobody may have, beside frama's own list.
type Reserved struct {
	Names []string // from the configuration
	Kinds []string // every kind of the catalogue, offered or not: they are part of host names, see HostName
}

// reservedSlugs are names that mislead people or that the platform may need itself. Names of the trade come from
// RFC 2142 (mailbox names) and from what browsers and certificate authorities treat specially.
var reservedSlugs = strings.Fields(`
	abuse account accounts acme admin administrateur administration administrator aide api apps app assistance auth
	autoconfig autodiscover backup billing blog broadcasthost calcs cdn chatons cloud commons compte contact dashboard demo dev
	dns docs edge email faq frama framasoft ftp forms git help host hostmaster http https imap info internal kibana
	localhost login mail mailer-daemon media metrics mx nobody noc nomad ns ns1 ns2 null official officiel pads payment
	ping polls pop pop3 postmaster prod production proxy root secure security securite server service services sftp
	sign-in signin signup smtp ssh ssl staging static stats status statut support sysadmin system test tls undefined
	usenet uucp vpn webmail webmaster wpad www www2`)

// SlugProblem returns the key of the message that says why nobody may have this slug, or "". Whether it is taken is
// the store's to say. Only ASCII letters, digits and inner hyphens are allowed, which leaves homographs no room.
func SlugProblem(slug string, reserved Reserved) string {
	switch {
	case slug == "":
		return "error.required"
	case len(slug) < MinSlug || len(slug) > MaxSlug:
		if !plainSlug(slug) {
			return "error.slug_characters"
		}
		return "error.slug_length"
	case !plainSlug(slug), slug[0] == '-', slug[len(slug)-1] == '-', strings.Contains(slug, "--"):
		// Two hyphens in a row would allow punycode (xn--), which browsers show as other letters.
		return "error.slug_characters"
	case strings.IndexFunc(slug, func(r rune) bool { return r >= 'a' && r <= 'z' }) < 0:
		return "error.slug_letter"
	case slices.Contains(reservedSlugs, slug), slices.Contains(reserved.Names, slug), slices.Contains(reserved.Kinds, slug),
		strings.HasPrefix(slug, commons), reserved.kindAtEnd(slug) != "":
		return "error.slug_reserved"
	}
	return ""
}

// kindAtEnd is the kind that a slug ends with, or "": "anne-pads" would be the host name of the pads of "anne".
func (r Reserved) kindAtEnd(slug string) string {
	for _, kind := range r.Kinds {
		if strings.HasSuffix(slug, "-"+kind) {
			return kind
		}
	}
	return ""
}

// commons begins the handles of the host's own spaces, so no association's slug, of which handles are made.
const commons = "commons-"

// CommonsHandle is the handle of the host's own space that runs a shared application.
func CommonsHandle(app string) string { return commons + app }

func plainSlug(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}) < 0
}

// accents maps the letters of the languages around us to ASCII; what it lacks becomes a hyphen.
var accents = strings.NewReplacer(
	"à", "a", "á", "a", "â", "a", "ã", "a", "ä", "a", "å", "a", "æ", "ae", "ç", "c", "è", "e", "é", "e", "ê", "e",
	"ë", "e", "ì", "i", "í", "i", "î", "i", "ï", "i", "ñ", "n", "ò", "o", "ó", "o", "ô", "o", "õ", "o", "ö", "o",
	"ø", "o", "œ", "oe", "ß", "ss", "ù", "u", "ú", "u", "û", "u", "ü", "u", "ý", "y", "ÿ", "y", "&", " et ", "’", " ",
	"'", " ")

// littleWords carry no meaning in a name and make it long.
var littleWords = strings.Fields("association assoc asso les des aux la le de du the of and et pour en l d")

// ProposeSlug makes a slug from an association's name, or "" when nothing can be made of it.
func ProposeSlug(name string, reserved Reserved) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1 // an accent written apart from its letter, as some systems type it
		}
		return r
	}, accents.Replace(strings.ToLower(name)))
	words := strings.FieldsFunc(name, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(littleWords, w) })
	if len(strings.Join(kept, "-")) < MinSlug {
		kept = words
	}
	slug := ""
	for _, w := range kept {
		if next := strings.TrimPrefix(slug+"-"+w, "-"); len(next) <= 30 {
			slug = next
			continue
		}
		break
	}
	if slug == "" && len(kept) > 0 {
		slug = kept[0][:min(len(kept[0]), 30)]
	}
	if slug == "" || SlugProblem(slug, reserved) == "" {
		return slug
	}
	prefixed := "asso-" + slug
	// "centre-social" is refused where there is a kind "social"; written in one word it is nobody's host name.
	for _, other := range []string{reserved.inOneWord(slug), prefixed, reserved.inOneWord(prefixed)} {
		if SlugProblem(other, reserved) == "" {
			return other
		}
	}
	return ""
}

// inOneWord takes away the hyphen before the kind that a slug ends with.
func (r Reserved) inOneWord(slug string) string {
	kind := r.kindAtEnd(slug)
	return strings.TrimSuffix(slug, "-"+kind) + kind
}

// SlugAlternative returns the nth alternative to a slug that is taken, for n from 2 upwards.
func SlugAlternative(slug string, n int) string {
	suffix := "-" + strconv.Itoa(n)
	return strings.TrimRight(slug[:min(len(slug), MaxSlug-len(suffix))], "-") + suffix
}

// HostName is the name under which an instance answers: flat, so that one wildcard certificate covers all spaces. The
// host's own spaces have a kind as their slug, and its name alone: lists.example.org.
func HostName(slug, kind, platform string) string {
	if slug == kind {
		return kind + "." + platform
	}
	return slug + "-" + kind + "." + platform
}
