package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func opened(t *testing.T) *Console {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask asks for an address with headers, name and value in turn.
func ask(handle http.HandlerFunc, address string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", address, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handle(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Content-Encoding") == "br" {
		if text, err = io.ReadAll(brotli.NewReader(bytes.NewReader(text))); err != nil {
			t.Fatal(err)
		}
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(plain); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func TestTheFilesThatAreServedAreThoseOfTheRepositoryButForComments(t *testing.T) {
	c := opened(t)
	c.Squeeze(t.Context())
	for name := range c.files {
		want, err := os.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".css") {
			want = withoutComments(want)
		}
		for encoding, sent := range map[string]string{"": "", "gzip": "gzip", "gzip, br": "br", "br;q=0, gzip": "gzip", "deflate": ""} {
			resp := ask(c.File, Base+c.version+"/"+name, "Accept-Encoding", encoding)
			if got := body(t, resp); resp.StatusCode != 200 || !bytes.Equal(got, want) || resp.Header.Get("Content-Encoding") != sent {
				t.Errorf("%s as %q: %d, %d bytes, want the %d of the repository", name, encoding, resp.StatusCode, len(got), len(want))
			}
			kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
			if err != nil || strings.HasSuffix(name, ".js") && kind != "text/javascript" || strings.HasSuffix(name, ".css") && kind != "text/css" {
				t.Errorf("%s is sent as %q", name, kind)
			}
		}
	}
}

func TestABrowserAsksOnceForAFileAndEachTimeForThePage(t *testing.T) {
	c := opened(t)
	file := ask(c.File, Base+c.version+"/main.js")
	if got := file.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("a file: %q", got)
	}
	page := ask(c.Page, "/")
	if got := page.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("the page: %q", got)
	}
	for _, tag := range []string{page.Header.Get("ETag"), `"other", W/` + page.Header.Get("ETag")} {
		if again := ask(c.Page, "/", "If-None-Match", tag); again.StatusCode != 304 || len(body(t, again)) > 0 {
			t.Errorf("the same page again: %d", again.StatusCode)
		}
	}
	for _, address := range []string{Base + "0123456789abcdef/main.js", Base + c.version + "/nothing.js", Base + c.version + "/../console.go", Base + "main.js", Base} {
		if resp := ask(c.File, address); resp.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", address, resp.StatusCode)
		}
	}
}

func TestGzipIsSentToThoseWhoReadIt(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip;q=1.0, *;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false, "*": true, "identity": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", header)
		if got := ReadsGzip(r); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestThePageHoldsNoScriptAndNoStyleAndLoadsWhatItBeginsWithAtOnce(t *testing.T) {
	c := opened(t)
	resp := ask(c.Page, "/")
	page := string(body(t, resp))
	if resp.Header.Get("Content-Security-Policy") != Policy {
		t.Error("the page has no policy, or another")
	}
	for _, wrong := range []string{"unsafe", "http:", "https:", "*"} {
		if strings.Contains(Policy, wrong) {
			t.Errorf("the policy allows %s", wrong)
		}
	}
	for _, wrong := range []string{"<style", "style=", "onload", "http:", "https:", "//"} {
		if strings.Contains(page, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
	if n := len(regexp.MustCompile(`<script type="module" src="[^"]+"></script>`).FindAllString(page, -1)); n != 1 || strings.Count(page, "<script") != 1 {
		t.Errorf("the page has %d scripts by address, %d in all, want one", n, strings.Count(page, "<script"))
	}
	loads := func(name string) bool {
		return strings.Contains(page, `rel="modulepreload" href="`+Base+c.version+"/"+name+`"`)
	}
	for name, f := range c.files {
		if name == "main.js" && !loads(name) || loads(name) && strings.HasPrefix(name, "pages/") && name != "pages/fleet.js" {
			t.Errorf("the page loads %s at once: %v", name, loads(name))
		}
		for _, needs := range regexp.MustCompile(`(?s)\bfrom\s+"([^"]+)"`).FindAllSubmatch(f.plain, -1) {
			if needed := path.Join(path.Dir(name), string(needs[1])); loads(name) && !loads(needed) {
				t.Errorf("the page loads %s at once, and not %s, which it needs", name, needed)
			}
		}
	}
}

// most is how many bytes scripts and styles may have, by Brotli where the address is this machine's or HTTPS, and by gzip, which is all that browsers read over
// plain HTTP.
const most, mostByGzip = 60_000, 60_000

func TestScriptsAndStylesAreSmall(t *testing.T) {
	c, squeezed, packed := opened(t), 0, 0
	c.Squeeze(t.Context())
	for name, f := range c.files {
		if strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".css") {
			squeezed, packed = squeezed+len(*f.brotli.Load()), packed+len(f.packed)
		}
	}
	t.Logf("%d bytes by Brotli, %d by gzip", squeezed, packed)
	if squeezed > most || packed > mostByGzip || squeezed == 0 {
		t.Errorf("scripts and styles have %d bytes by Brotli, %d by gzip; want at most %d, %d", squeezed, packed, most, mostByGzip)
	}
}

func TestLinesOfCommentAreSentEmptyAndAllOthersAsTheyLie(t *testing.T) {
	for text, want := range map[string]string{
		"a();\n// why\nb(); // at the end\n":               "a();\n\nb(); // at the end\n",
		"/**\n * @param {string} a\n */\nexport const f":   "\n\n\nexport const f",
		"  /* one line */\n  a();":                         "\n  a();",
		"const a = /** @type {B} */ (c);":                  "const a = /** @type {B} */ (c);",
		"/** @type {B} */ (c).d();\ne();":                  "/** @type {B} */ (c).d();\ne();",
		"/* begins\n ends */ a();\nb();":                   "/* begins\n ends */ a();\nb();",
		"/* never ends\na();":                              "/* never ends\na();",
		"/* a */ b(); /* c */\nd();":                       "/* a */ b(); /* c */\nd();",
		"/* a\n b */ c(); /* d */\ne();":                   "/* a\n b */ c(); /* d */\ne();",
		"/*/\na();\n*/\nb();":                              "\n\n\nb();",
		"a();\n/*\n// within\n*/\n\"//\";\n'/*';\n./*x*/y": "a();\n\n\n\n\"//\";\n'/*';\n./*x*/y",
	} {
		if got := string(withoutComments([]byte(text))); got != want {
			t.Errorf("%q is sent as %q, want %q", text, got, want)
		}
	}
	c, sent := opened(t), 0
	for name, f := range c.files {
		lies, err := embedded.ReadFile("web/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines, was := strings.Split(string(f.plain), "\n"), strings.Split(string(lies), "\n")
		if len(lines) != len(was) {
			t.Errorf("%s has %d lines and %d are sent: a browser's errors name others than the repository has", name, len(was), len(lines))
			continue
		}
		for n := range lines {
			if lines[n] != was[n] && (lines[n] != "" || !strings.ContainsAny(strings.TrimSpace(was[n])[:1], "/*")) {
				t.Errorf("%s:%d %q is sent as %q", name, n+1, was[n], lines[n])
			}
		}
		sent += len(lines)
	}
	if sent < 1000 {
		t.Errorf("%d lines were compared", sent)
	}
}

func TestUntilBrotliIsMadeGzipIsSent(t *testing.T) {
	f := newFile("text/javascript", bytes.Repeat([]byte("export const a = 1;\n"), 100))
	serve := func() string {
		return ask(f.send, "/", "Accept-Encoding", "gzip, br").Header.Get("Content-Encoding")
	}
	if got := serve(); got != "gzip" {
		t.Errorf("before: %q", got)
	}
	f.squeeze()
	if got := serve(); got != "br" {
		t.Errorf("after: %q", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c := &Console{shell: newFile("", nil), files: map[string]*file{"a": newFile("", []byte("a"))}}
	if c.Squeeze(ended); c.files["a"].brotli.Load() != nil {
		t.Error("it goes on after its end")
	}
}
