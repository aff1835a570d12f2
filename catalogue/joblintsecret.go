package catalogue

import (
	"regexp"
	"slices"
	"strings"
)

// Secrets are made per instance and come by template. What looks like one in a file of the catalogue is either the same for
// every association that was ever hosted, or a default that everybody knows.

// knownDefaults are passwords that applications and their instructions come with.
var knownDefaults = strings.Fields(`admin administrator adminadmin admin123 password passw0rd password1 password123 passwd pass changeme
	change_me change-me changeit changethis change_this secret secret_key default root toor test test123 testadmin testadmin123 demo guest
	user example 1234 12345 123456 12345678 123456789 qwerty letmein welcome azerty motdepasse postgres mysql redis nextcloud mattermost
	wordpress mastodon peertube odoo moodle superset minioadmin rabbitmq grafana replace_me replaceme your_secret_here
	mysecretpassword insecure notsecure supersecret topsecret s3cr3t`)

var (
	wordsOfName = regexp.MustCompile(`[A-Z]+[a-z0-9]*|[a-z0-9]+`)
	secretWord  = regexp.MustCompile(`(?i)^[a-z0-9]*(password|passwd|passphrase|secret|secrets|token|apikey|credential|credentials|motdepasse)$`)
	aboutSecret = strings.Fields(`FILE PATH DIR FOLDER URL URI NAME ID LENGTH SIZE TTL EXPIRY EXPIRES EXPIRATION EXPIRE LIFETIME DURATION TIMEOUT
		ALGORITHM ALG ALGO METHOD TYPE FORMAT PREFIX POLICY ENABLED REQUIRED DISABLED MIN MAX ROUNDS HEADER FIELD RESET SCORE HOST PORT USER
		STRENGTH AGE DAYS HOURS MINUTES SECONDS REUSE LOGIN AUTH ISSUER AUDIENCE ENDPOINT PROVIDER STORAGE FILENAME ENCRYPTION`)
	harmlessValue = regexp.MustCompile(`(?i)^(|true|false|yes|no|on|off|none|null|nil|enabled|disabled|required|optional|[01])$`)
	numeral       = regexp.MustCompile(`^[0-9.]+[smhd]?$`)
	ownPath       = regexp.MustCompile(`^(/|\./|local/|secrets/|alloc/|\$\{NOMAD_(SECRETS|TASK|ALLOC)_DIR\}|file:)`)
	longSecret    = regexp.MustCompile(`^([0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{40,}={0,2}|base64:[A-Za-z0-9+/]{20,}={0,2})$`)
	urlPassword   = regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^\s/:@"'{}]*:([^\s/@"'{}$]+)@`)
	flagWord      = regexp.MustCompile(`^--?([A-Za-z][A-Za-z0-9_.-]*)(=(.*))?$`)
	inlineWord    = regexp.MustCompile(`(?:^|[\s;&|(])(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=("[^"]*"|'[^']*'|[^\s;&|)]+)`)
	shellFlag     = regexp.MustCompile(`(?:^|\s)--([A-Za-z][A-Za-z0-9_-]*)[= ]("[^"]*"|'[^']*'|[^\s;&|)]+)`)
	braced        = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	envLine       = regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$`)
	configLine    = regexp.MustCompile(`["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*(?:=>|=|:)\s*("[^"]*"|'[^']*'|[^\s,;{}]+)`)
)

const bySecret = `declare a secret "…" in the manifest, and let a template write it`

// secretName says whether a name is that of a secret: DB_PASSWORD, apiToken, --secret-key; not PASSWORD_MIN_LENGTH.
func secretName(name string) bool { return secretNamed(name, true) }

// secretNamed: a KEY of the environment is a secret; elsewhere it is one only with a word that says so before it.
func secretNamed(name string, anyKey bool) bool {
	words := wordsOfName.FindAllString(name, -1)
	if len(words) == 0 {
		return false
	}
	last := strings.ToUpper(words[len(words)-1])
	if slices.Contains(aboutSecret, last) {
		return false
	}
	for i, word := range words {
		upper := strings.ToUpper(word)
		switch {
		case secretWord.MatchString(word), upper == "PASS", upper == "PWD" && i > 0, upper == "SALT" && i > 0:
			return true
		case upper == "KEY" && i == len(words)-1 || upper == "KEYS" && i == len(words)-1:
			before := ""
			if i > 0 {
				before = strings.ToUpper(words[i-1])
			}
			if before == "PUBLIC" || before == "SORT" || before == "CACHE" {
				return false
			}
			return anyKey || slices.Contains(strings.Fields("SECRET API ACCESS PRIVATE ENCRYPTION SESSION APP SIGNING MASTER CRYPTO JWT"), before)
		}
	}
	return false
}

// literalSecret says whether a value gives a secret away: it is written out and neither a switch nor a path.
func literalSecret(name, value string) bool {
	value = strings.TrimSpace(value)
	switch {
	case isKnownDefault(value):
		return true
	case harmlessValue.MatchString(value), ownPath.MatchString(value), strings.HasPrefix(value, "$"), strings.HasPrefix(value, "{"):
		return false
	case numeral.MatchString(value):
		words := wordsOfName.FindAllString(name, -1)
		return len(words) > 0 && secretWord.MatchString(words[len(words)-1])
	}
	return true
}

func isKnownDefault(value string) bool { return slices.Contains(knownDefaults, strings.ToLower(value)) }

// secretAssignment says what is wrong with NAME=value.
func secretAssignment(name, value string) string {
	if secretName(name) && literalSecret(name, value) {
		if isKnownDefault(value) {
			return name + " is the password that everybody knows: " + bySecret
		}
		return name + " is written out here, the same for every instance: " + bySecret
	}
	return secretText(value)
}

// secretText says whether a text looks like a secret, whatever its name.
func secretText(value string) string {
	if m := urlPassword.FindStringSubmatch(value); m != nil && !strings.HasPrefix(m[1], "%") { // of printf
		return "an address holds a password: " + bySecret
	}
	if longSecret.MatchString(value) && strings.ContainsAny(value, "0123456789") && !ownPath.MatchString(value) {
		return "this looks like a secret that is the same for every instance: " + bySecret
	}
	return ""
}

// secretWords says what is wrong with the words of a command, by their number.
func secretWords(words []string) map[int]string {
	found := map[int]string{}
	for n, word := range words {
		for _, m := range braced.FindAllStringSubmatch(word, -1) {
			if secretName(m[1]) && !strings.HasPrefix(m[1], "NOMAD_") {
				found[n] = "Nomad would put " + m[1] + " into the command line, which everybody on the node can read: leave it to the " +
					"shell, as $" + m[1]
			}
		}
		m := flagWord.FindStringSubmatch(word)
		switch {
		case m != nil && m[2] != "" && secretName(m[1]) && literalSecret(m[1], m[3]):
			found[n] = m[1] + " is written out here, the same for every instance: " + bySecret
		case m != nil && m[2] == "" && len(m[1]) > 1 && secretName(m[1]) && n+1 < len(words) && literalSecret(m[1], words[n+1]) &&
			!strings.HasPrefix(words[n+1], "-"):
			found[n+1] = m[1] + " is written out here, the same for every instance: " + bySecret
		case secretText(word) != "":
			found[n] = secretText(word)
		}
		if !strings.ContainsAny(word, " \n;") {
			continue
		}
		for _, m := range slices.Concat(inlineWord.FindAllStringSubmatch(word, -1), shellFlag.FindAllStringSubmatch(word, -1)) {
			if value := strings.Trim(m[2], `"'`); secretName(m[1]) && literalSecret(m[1], value) && !strings.HasPrefix(value, "`") {
				found[n] = m[1] + " is written out here, the same for every instance: " + bySecret
			}
		}
	}
	return found
}

// secretLine is a secret in the text of a template.
type secretLine struct {
	offset  int
	problem string
}

// secretLines looks for secrets written out in a template: any NAME=value of an environment file; in other files, what is
// unmistakable.
func secretLines(text, left string, env bool) []secretLine {
	var found []secretLine
	offset := 0
	for _, line := range strings.SplitAfter(text, "\n") {
		start := offset
		offset += len(line)
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "//") || strings.HasPrefix(trimmed, ";") {
			continue
		}
		pattern := configLine
		if env {
			pattern = envLine
		}
		for _, m := range pattern.FindAllStringSubmatchIndex(line, -1) {
			name, value := line[m[2]:m[3]], strings.Trim(line[m[4]:m[5]], `"'`)
			if strings.Contains(value, left) || !secretNamed(name, env) || !literalSecret(name, value) {
				continue
			}
			problem := secretAssignment(name, value)
			if problem == "" || !env && !isKnownDefault(value) && (len(value) < 8 || strings.ContainsAny(value, "$(<[")) {
				continue
			}
			found = append(found, secretLine{start + m[4], problem})
		}
		if m := urlPassword.FindStringIndex(line); m != nil {
			if problem := secretText(line[m[0]:m[1]]); problem != "" {
				found = append(found, secretLine{start + m[0], problem})
			}
		}
	}
	return found
}
