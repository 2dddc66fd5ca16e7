package ticket

import (
	"net/url"
	"strings"
)

// Link is an incident's, by a template such as https://lamplighter.example/incidents/{id}.
func Link(template, incident string) string {
	return strings.ReplaceAll(template, "{id}", url.PathEscape(incident))
}

// checkURL is a URL that a person may click on.
func checkURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(text) > 2000 {
		return "", false
	}
	return u.String(), true
}
