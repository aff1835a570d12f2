package catalogue

import (
	"regexp"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Images of web servers are stopped by the signal that their server ends gently on: Apache by SIGWINCH, nginx and PHP-FPM by
// SIGQUIT. Any other program in them ignores SIGWINCH, and is killed in the middle of its work once its time to stop is over.
var (
	webImage  = regexp.MustCompile(`-apache|-fpm|/httpd:|/nginx:`)
	phpImage  = regexp.MustCompile(`apache2-foreground|php-fpm`) // what PHP's images, and those made of them, call their server
	webServer = regexp.MustCompile(`apache2-foreground|php-fpm|\bnginx\b|httpd-foreground|\bhttpd\b`)
)

// signals sees that what runs in a web server's image and is none names the signal that ends it.
func (l *jobLint) signals() {
	text := func(b *hclsyntax.Block) string {
		r := b.Body.Range()
		return string(l.values.source[r.Start.Byte:r.End.Byte])
	}
	served := map[string]bool{} // images that some task runs PHP's server of
	for _, t := range l.tasks {
		for _, config := range blocksOf(t.block, "config") {
			served[t.image] = served[t.image] || phpImage.MatchString(text(config))
		}
	}
	for _, t := range l.tasks {
		if t.image == "" || !served[t.image] && !webImage.MatchString(t.image) || l.runsOnce(t) {
			continue
		}
		_, named := t.block.Body.Attributes["kill_signal"]
		other := false
		for _, config := range blocksOf(t.block, "config") {
			_, command := config.Body.Attributes["command"]
			_, entrypoint := config.Body.Attributes["entrypoint"]
			other = other || command || entrypoint
		}
		if other && !named && !webServer.MatchString(text(t.block)) {
			l.at(t.at, "the task runs no web server in a web server's image, whose stop signal it ignores: name one, as kill_signal = \"SIGTERM\"")
		}
	}
}

// runsOnce reports whether a task ends by itself before the others start.
func (l *jobLint) runsOnce(t *task) bool {
	for _, lifecycle := range blocksOf(t.block, "lifecycle") {
		if hook, _, ok := l.text(lifecycle, "hook"); ok && hook == "prestart" && !l.boolean(lifecycle, "sidecar") {
			return true
		}
	}
	return false
}
