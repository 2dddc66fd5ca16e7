// Package console is what people see of the role results in a browser: ES modules of our own, a style sheet and an icon, served as
// they lie in web/, line by line, but for their comments. Nothing is built, nothing comes from elsewhere, and the browser is told to take nothing else.
//
// Package api mounts it beside the API, which is all that it asks. docs/console.md shows it.
package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip" // a little smaller than the standard library's, and the same whatever Go builds it
)

//go:embed web
var embedded embed.FS

//go:embed shell.html
var shellText string

// Policy is what a browser may do with a page of the console: run and show what is ours, ask nobody but us, and make no code
// out of text. No script and no style stands in the page itself.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Pages are the paths that a person can open; the browser's own router knows the same (web/route.js).
var Pages = []string{"/", "/site", "/rack", "/bmc", "/search", "/incidents", "/incidents/{id}", "/silences", "/satellites", "/chain", "/inventory", "/audit"}

// Acts are what people can do, as the audit of their acts calls it.
var Acts = []string{"ack", "unack", "recheck", "silence", "maintenance", "end", "sign_in", "stop", "go", "fence_clear", "inventory_sync", "inventory_approve"}

// Console has the files in memory, each also compressed.
type Console struct {
	files map[string]*file
	shell *file
	// version is of all files together. It stands in their address, so that what is cached is never mixed with what is new.
	version string
}

// file is what is sent.
type file struct {
	kind   string
	etag   string
	plain  []byte
	packed []byte // by gzip
	once   sync.Once
	brotli atomic.Pointer[[]byte] // nil: it is not made yet
}

// New gives the files, compressed. They are read once in a process.
func New() (*Console, error) { return read() }

var read = sync.OnceValues(func() (*Console, error) {
	c := &Console{files: map[string]*file{}}
	sum := sha256.New()
	err := fs.WalkDir(embedded, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "web/")
		if ext := path.Ext(name); ext == ".js" || ext == ".css" {
			text = withoutComments(text)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
		c.files[name] = newFile(mime.TypeByExtension(path.Ext(name)), text)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.version = hex.EncodeToString(sum.Sum(nil)[:8])
	c.shell, err = c.newShell()
	return c, err
})

// withoutComments empties the lines that are comment and nothing else: types and reasons are for who reads the repository, and a sixth of what would be sent.
// All other lines stay as they are, and where they are. A comment that shares a line with code stays whole.
func withoutComments(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for n := 0; n < len(lines); n++ {
		line := bytes.TrimSpace(lines[n])
		last := n
		switch {
		case bytes.HasPrefix(line, []byte("//")):
		case bytes.HasPrefix(line, []byte("/*")):
			rest := line[len("/*"):]
			for !bytes.Contains(rest, []byte("*/")) && last < len(lines)-1 {
				last++
				rest = lines[last]
			}
			if _, behind, ended := bytes.Cut(rest, []byte("*/")); !ended || len(bytes.TrimSpace(behind)) > 0 { // code, too, maybe
				n = last
				continue
			}
		default:
			continue
		}
		for ; n < last; n++ {
			lines[n] = nil
		}
		lines[n] = nil
	}
	return bytes.Join(lines, []byte("\n"))
}

// Squeeze compresses the files by Brotli, at its best, which takes a second or two: nobody waits for it, and gzip is sent meanwhile. It
// ends early with ctx.
func (c *Console) Squeeze(ctx context.Context) {
	c.shell.squeeze()
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if ctx.Err() != nil {
			return
		}
		c.files[name].squeeze()
	}
}

func (f *file) squeeze() {
	f.once.Do(func() {
		var squeezed bytes.Buffer
		w := brotli.NewWriterLevel(&squeezed, brotli.BestCompression)
		_, _ = w.Write(f.plain) // into memory: no error
		_ = w.Close()
		text := squeezed.Bytes()
		f.brotli.Store(&text)
	})
}

func newFile(kind string, text []byte) *file {
	sum := sha256.Sum256(text)
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a known level is no error
	_, _ = w.Write(text)                                       // into memory: no error
	_ = w.Close()
	return &file{kind: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: text, packed: packed.Bytes()}
}

// imported finds what a module cannot begin without. What it imports later stands in parentheses.
var imported = regexp.MustCompile(`(?m)^import .*"(\.[^"]+)";$`)

// first adds a module and all that it cannot begin without.
func (c *Console) first(name string, all map[string]bool) {
	if all[name] {
		return
	}
	all[name] = true
	for _, found := range imported.FindAllSubmatch(c.files[name].plain, -1) {
		c.first(path.Join(path.Dir(name), string(found[1])), all)
	}
}

// newShell is the page. It loads the modules that main.js cannot begin without, all at once: the browser need not read one to hear of the
// next. The other pages' modules main.js fetches once it is seen.
func (c *Console) newShell() (*file, error) {
	first := map[string]bool{}
	c.first("main.js", first)
	shell, err := template.New("shell").Parse(shellText)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	var page bytes.Buffer
	if err := shell.Execute(&page, map[string]any{"Base": Base + c.version + "/", "Modules": slices.Sorted(maps.Keys(first))}); err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return newFile("text/html; charset=utf-8", page.Bytes()), nil
}

// Base is where the files are.
const Base = "/console/"

// Page answers with the page that is the same for each of Pages: what it shows the browser finds out.
func (c *Console) Page(w http.ResponseWriter, r *http.Request) { c.page(w, r, http.StatusOK) }

// Nowhere answers a browser at an address that leads nowhere with the page, which says so.
func (c *Console) Nowhere(w http.ResponseWriter, r *http.Request) { c.page(w, r, http.StatusNotFound) }

func (c *Console) page(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	header.Set("Content-Security-Policy", Policy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	header.Set("Cache-Control", "no-cache") // asked for each time, sent only when it is another
	c.shell.sendAs(w, r, status)
}

// File answers with a file, at the address of this version. One of another version is not there: pages of before an update load anew.
func (c *Console) File(w http.ResponseWriter, r *http.Request) {
	version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Base), "/")
	found := c.files[name]
	if found == nil || version != c.version {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	found.send(w, r)
}

func (f *file) send(w http.ResponseWriter, r *http.Request) { f.sendAs(w, r, http.StatusOK) }

// sendAs answers with the file, compressed where the browser can read that.
func (f *file) sendAs(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Vary", "Accept-Encoding")
	header.Set("ETag", f.etag)
	if status == http.StatusOK && slices.Contains(tags(r.Header.Get("If-None-Match")), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if squeezed := f.brotli.Load(); squeezed != nil && reads(r, "br") {
		header.Set("Content-Encoding", "br")
		body = *squeezed
	} else if ReadsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who asks may have left
}

// tags are those of If-None-Match. A proxy that compresses makes ours weak.
func tags(header string) (all []string) {
	for tag := range strings.SplitSeq(header, ",") {
		all = append(all, strings.TrimPrefix(strings.TrimSpace(tag), "W/"))
	}
	return all
}

// ReadsGzip says whether whoever asks can read gzip.
func ReadsGzip(r *http.Request) bool { return reads(r, "gzip", "*") }

// reads says whether whoever asks names one of these encodings, and the first of them not to rule it out.
func reads(r *http.Request, encodings ...string) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
		if weight = strings.ReplaceAll(weight, " ", ""); slices.Contains(encodings, name) {
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}
