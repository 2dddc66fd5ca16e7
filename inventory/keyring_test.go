package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func writeFile(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, spec string) Keyring {
	t.Helper()
	k, err := OpenKeyring(spec)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ask(t testing.TB, k Keyring, name, username, password string) Credentials {
	t.Helper()
	c, err := k.Credentials(t.Context(), name)
	if err != nil || c.Name != name || c.Username != username || c.Password.Reveal() != password || c.Version == "" {
		t.Errorf("%s: got %v and error %v, or another password", name, c, err)
	}
	return c
}

func TestFileKeyring(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "ilo.password"), "two\n\r\n", 0o600)
	writeFile(t, filepath.Join(dir, "idrac.password"), "calvin\r\n", 0o400)
	path := writeFile(t, filepath.Join(dir, "keyring.yaml"), `
# who may look
credentials:
  default: {username: root, password: 'it''s #1: "x"'}
  idrac:
    username: monitor
    password_file: idrac.password
  digits: {username: 007, password: 00123}
  words: {username: "", password: yes}
  unicode: {username: ü, password: "\u00fc\t "}
`, 0o600)
	writeFile(t, filepath.Join(dir, "ilo.password"), "two\n", 0o600)
	k := open(t, path)
	ask(t, k, "default", "root", `it's #1: "x"`)
	ask(t, k, "idrac", "monitor", "calvin")
	ask(t, k, "digits", "007", "00123")
	ask(t, k, "words", "", "yes")
	ask(t, k, "unicode", "ü", "ü\t ")
	if _, err := k.Credentials(t.Context(), "ilo"); !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrKeyring) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestARotationUnderWayIsASecondPassword(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "next"), "new\n", 0o600)
	file := open(t, writeFile(t, filepath.Join(dir, "keyring.yaml"), `
credentials:
  a: {username: u, password: old, next_password: new}
  b: {username: u, password: old, next_password_file: next}
  same: {username: u, password: old, next_password: old}
`, 0o600))
	files := t.TempDir()
	for name, text := range map[string]string{"a.password": "old", "a.next_password": "new\n", "a.username": "u", "same.password": "old", "same.next_password": "old", "b.password": "x"} {
		writeFile(t, filepath.Join(files, name), text, 0o600)
	}
	for what, c := range map[string]Credentials{"text": credentialsOf(t, file, "a"), "a file": credentialsOf(t, file, "b"), "a directory": credentialsOf(t, open(t, files), "a")} {
		if c.Password.Reveal() != "old" || c.Next == nil || c.Next.Password.Reveal() != "new" || c.Next.Username != "u" || c.Next.Name != c.Name ||
			c.Next.Version != VersionOf("u", c.Next.Password) || c.Version != VersionOf("u", c.Password) || c.Next.Next != nil {
			t.Errorf("%s: %+v, next %+v", what, c, c.Next)
		}
	}
	for what, c := range map[string]Credentials{"the same": credentialsOf(t, file, "same"), "the same, in a directory": credentialsOf(t, open(t, files), "same"), "none": credentialsOf(t, open(t, files), "b")} {
		if c.Next != nil {
			t.Errorf("%s: %+v", what, c.Next)
		}
	}
	for text, want := range map[string]string{
		"next_password: ''":                       "the password is empty",
		"next_password: x, next_password_file: y": "want next_password or next_password_file, got both",
		"next_password_file: ''":                  "next_password_file is empty",
		"next_password_file: nosuch":              "nosuch",
	} {
		if _, err := OpenKeyring(writeFile(t, filepath.Join(dir, "bad.yaml"), "credentials:\n  a: {username: u, password: p, "+text+"}\n", 0o600)); !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestFileKeyringTakesPasswordsAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"0x1F": "0x1F", "1_000": "1_000", "+5": "+5", "1e3": "1e3", "0o17": "0o17", ".5": ".5", "~x": "~x", "True": "True", "2026-11-22": "2026-11-22",
		"x # comment": "x", "x#y": "x#y", "'~'": "~", `"a\"b"`: `a"b`, ".inf": ".inf", "a b": "a b", "-5": "-5", "-": "", "x:y": "x:y", "\"x\" # c": "x", "pässwörd": "pässwörd",
	} {
		for _, end := range []string{"\n", "\r\n", ""} {
			path := writeFile(t, filepath.Join(t.TempDir(), "k"), "credentials:"+end+"\n  a:\n    username: u\n    password: "+text+end, 0o600)
			k, err := OpenKeyring(path)
			if want == "" {
				if err == nil {
					t.Errorf("%q was accepted", text)
				}
				continue
			}
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			ask(t, k, "a", "u", want)
		}
	}
}

func TestFileKeyringReportsMistakes(t *testing.T) {
	const c = "credentials:\n"
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":                      {"", "F:1: keyring: want one document with credentials:"},
		"another top":                        {"passwords:\n  a: b\n", "F:1: key: want credentials, got another key"},
		"a list":                             {"- a\n", "F:1: keyring: want keys and values"},
		"two documents":                      {c + "---\n" + c, "F:1: keyring: want one document with credentials:"},
		"a misspelled key":                   {c + "  a:\n    username: u\n    pasword: " + canary + "\n", `F:4: credential "a": want username, password, password_file, next_password or next_password_file, got another key`},
		"a password as a key":                {c + "  a:\n    username: u\n    " + canary + ": x\n", `F:4: credential "a": want username, password, password_file, next_password or next_password_file, got another key`},
		"a password in the wrong place":      {c + "  a: " + canary + "\n", `F:2: credential "a": want keys and values`},
		"a password that is a list":          {c + "  a: {username: u, password: [" + canary + "]}\n", `F:2: credential "a": password: want text`},
		"a password by alias":                {c + "  a: {username: &x u, password: *x}\n", "F:2: credential \"a\": username: want text\nF:2: credential \"a\": password: want text"},
		"both passwords":                     {c + "  a: {username: u, password: " + canary + ", password_file: f}\n", `F:2: credential "a": want password or password_file, got both`},
		"no password":                        {c + "  a: {username: u}\n", `F:2: credential "a": want password or password_file, got neither`},
		"no username":                        {c + "  a: {password: " + canary + "}\n", `F:2: credential "a": want a username, got none`},
		"an empty password":                  {c + "  a: {username: u, password: }\n", `F:2: credential "a": the password is empty`},
		"a password of two lines":            {c + "  a:\n    username: u\n    password: |\n      " + canary + "\n      b\n", `F:2: credential "a": the password has a newline or a NUL in it`},
		"a password with a NUL":              {c + "  a: {username: u, password: \"" + canary + "\\0\"}\n", `F:2: credential "a": the password has a newline or a NUL in it`},
		"two mistakes":                       {c + "  a: {username: u}\n  b: {username: u}\n", "F:2: credential \"a\": want password or password_file, got neither\nF:3: credential \"b\": want password or password_file, got neither"},
		"a password file that is not there":  {c + "  a: {username: u, password_file: nowhere}\n", "no such file"},
		"a name twice":                       {c + "  a: {username: u, password: p}\n  a: {username: u, password: " + canary + "}\n", "F:3: syntax: want YAML (text with special characters in single quotes), got a mistake at column 3"},
		"a quote that does not end":          {c + "  a:\n    username: u\n    password: \"" + canary + "\n", "F:4: syntax: "},
		"a password that starts with an at":  {c + "  a:\n    username: u\n    password: @" + canary + "\n", "F:4: syntax: want YAML (text with special characters in single quotes), got a mistake at column 15"},
		"a password with a colon and spaces": {c + "  a:\n    username: u\n    password: x: " + canary + "\n", "F:4: syntax: "},
		"a password with a bracket":          {c + "  a:\n    username: u\n    password: [" + canary + "\n", "F:4: syntax: "},
		"a tab":                              {c + "  a:\n\tpassword: " + canary + "\n", "F:3: syntax: "},
		"a password on a line of its own":    {c + "  a:\n    username: u\n  password:\n" + canary + "\n", ": syntax: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, filepath.Join(t.TempDir(), "F"), test.text, 0o600)
			_, err := OpenKeyring(path)
			if !errors.Is(err, ErrKeyring) {
				t.Fatalf("got %v", err)
			}
			text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), ErrKeyring.Error()+": "), path, "F")
			partial := strings.HasSuffix(test.want, " ") || !strings.HasPrefix(test.want, "F:")
			if text != test.want && !(partial && strings.Contains(text, test.want)) {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			if strings.Contains(text, "c4nary") || strings.Contains(text, "S3cret") {
				t.Errorf("the error holds the password: %s", text)
			}
		})
	}
}

func TestFilesThatOthersCanReadAreRefused(t *testing.T) {
	dir := t.TempDir()
	yaml := "credentials:\n  a: {username: u, password: " + canary + "}\n"
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601, 0o644, 0o666} {
		path := writeFile(t, filepath.Join(dir, "k.yaml"), yaml, mode)
		want := fmt.Sprintf("%s: mode is %04o, want 0600 or stricter, so that only its owner can read it: chmod 600 %s", path, mode, path)
		if _, err := OpenKeyring(path); !errors.Is(err, ErrKeyring) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("a keyring of mode %o: %v", mode, err)
		}
		if _, err := SingleCredential("u", path); !errors.Is(err, ErrKeyring) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("a password file of mode %o: %v", mode, err)
		}
		writeFile(t, path, yaml, 0o600)
	}
	writeFile(t, filepath.Join(dir, "p"), "x\n", 0o644)
	named := writeFile(t, filepath.Join(dir, "named.yaml"), "credentials: {a: {username: u, password_file: p}}\n", 0o600)
	if _, err := OpenKeyring(named); err == nil || !strings.Contains(err.Error(), "chmod 600 "+filepath.Join(dir, "p")) {
		t.Errorf("a password file that a keyring names: %v", err)
	}
	sub := filepath.Join(dir, "d")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(sub, "a.password"), "x\n", 0o640)
	if _, err := OpenKeyring(sub); err == nil || !strings.Contains(err.Error(), "chmod 600 "+filepath.Join(sub, "a.password")) {
		t.Errorf("a file of a directory: %v", err)
	}
}

func TestACredentialThatSystemdMadeForTheServiceMayHaveMode0440(t *testing.T) {
	for _, test := range []struct {
		name string
		dir  func(keyrings string) string // $CREDENTIALS_DIRECTORY
		mode os.FileMode
		ok   bool
	}{
		{"in the credentials directory", func(dir string) string { return dir }, 0o440, true},
		{"written with a slash at its end", func(dir string) string { return dir + "/" }, 0o440, true},
		{"readable by all", func(dir string) string { return dir }, 0o444, false},
		{"writable by the group", func(dir string) string { return dir }, 0o660, false},
		{"in a directory above", filepath.Dir, 0o440, false},
		{"without a credentials directory", func(string) string { return "" }, 0o440, false},
		{"with a relative one", func(string) string { return "." }, 0o440, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "keyring.yaml")
			writeFile(t, path, "credentials: {default: {username: u, password: p}}\n", test.mode)
			t.Setenv("CREDENTIALS_DIRECTORY", test.dir(dir))
			keyring, err := OpenKeyring(path)
			if err == nil {
				_, err = keyring.Credentials(t.Context(), "default")
			}
			if test.ok != (err == nil) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOnlyOneNewlineOfAPasswordFileIsStripped(t *testing.T) {
	for text, want := range map[string]string{
		"p": "p", "p\n": "p", "p\r\n": "p", " p \n": " p ", "p\n\n": "", "p\r": "", "p\r\r\n": "", "\n": "", "": "", "a\x00b": "", "a\nb\n": "",
	} {
		path := writeFile(t, filepath.Join(t.TempDir(), "p"), text, 0o600)
		k, err := SingleCredential("u", path)
		if want == "" {
			if !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		ask(t, k, "whatever", "u", want)
	}
}

func TestDirKeyring(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "idrac.username"), "root\n", 0o600)
	writeFile(t, filepath.Join(dir, "idrac.password"), "calvin\n", 0o600)
	writeFile(t, filepath.Join(dir, "null.password"), "x", 0o400)
	writeFile(t, filepath.Join(dir, "half.username"), "x", 0o400)
	writeFile(t, filepath.Join(dir, "bad.password"), canary+"\nb", 0o400)
	writeFile(t, filepath.Join(dir, "README"), "", 0o644)
	k := open(t, dir)
	ask(t, k, "idrac", "root", "calvin")
	ask(t, k, "null", "", "x")
	for _, name := range []string{"", "none", "half", "../" + filepath.Base(dir) + "/idrac", "./idrac", "a/b", ".", "..", "a\x00"} {
		if _, err := k.Credentials(t.Context(), name); !errors.Is(err, ErrNoCredential) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := k.Credentials(t.Context(), "bad"); !errors.Is(err, ErrKeyring) || leaks(err.Error()) {
		t.Errorf("a password of two lines: %v", err)
	}
}

func TestEnvKeyring(t *testing.T) {
	t.Setenv("LAMPLIGHTER_CREDENTIAL_IDRAC_AMS_1_USERNAME", "root")
	t.Setenv("LAMPLIGHTER_CREDENTIAL_IDRAC_AMS_1_PASSWORD", "calvin")
	t.Setenv("LAMPLIGHTER_CREDENTIAL_HALF_USERNAME", "root")
	k := open(t, "env")
	ask(t, k, "idrac-ams.1", "root", "calvin")
	ask(t, k, "idrac-ams.1", "root", "calvin")
	if _, err := k.Credentials(t.Context(), "idrac_ams_1"); !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), `"idrac-ams.1"`) {
		t.Errorf("two names for one variable: %v", err)
	}
	if _, err := k.Credentials(t.Context(), "half"); !errors.Is(err, ErrKeyring) {
		t.Errorf("a username alone: %v", err)
	}
	for _, name := range []string{"", "none"} {
		if _, err := k.Credentials(t.Context(), name); !errors.Is(err, ErrNoCredential) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "k.yaml")
	const format = "credentials: {a: {username: u, password: %s}, b: {username: u, password_file: b}}\n"
	writeFile(t, path, fmt.Sprintf(format, "old1"), 0o600)
	second := writeFile(t, filepath.Join(dir, "b"), "old2", 0o600)
	k := open(t, path)
	before := ask(t, k, "a", "u", "old1")
	ask(t, k, "b", "u", "old2")
	writeFile(t, path, fmt.Sprintf(format, "new1"), 0o600) // the same size, perhaps within the same tick
	writeFile(t, second, "new2", 0o600)
	if after := ask(t, k, "a", "u", "new1"); after.Version == before.Version {
		t.Error("the version stayed")
	}
	ask(t, k, "b", "u", "new2")

	for _, old := range []string{path, second} { // long untouched files are not read again
		if err := os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	ask(t, k, "b", "u", "new2")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := k.Credentials(t.Context(), "a"); !errors.Is(err, ErrKeyring) {
			t.Errorf("a file that others can read now: %v", err)
		}
	}
	writeFile(t, path, "credentials: {", 0o600)
	for range 2 {
		if _, err := k.Credentials(t.Context(), "a"); !errors.Is(err, ErrKeyring) {
			t.Errorf("a broken file: %v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Credentials(t.Context(), "a"); !errors.Is(err, ErrKeyring) {
		t.Errorf("a removed file: %v", err)
	}
	writeFile(t, path, fmt.Sprintf(format, "back"), 0o600)
	ask(t, k, "a", "u", "back")
}

func TestAKeyringIsAskedConcurrently(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "k"), "credentials: {a: {username: u, password: p}}\n", 0o600)
	k := open(t, path)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				ask(t, k, "a", "u", "p")
			}
		})
	}
	wg.Wait()
}

func TestOpenKeyringRefuses(t *testing.T) {
	for _, spec := range []string{"", filepath.Join(t.TempDir(), "none"), "/dev/null"} {
		if _, err := OpenKeyring(spec); !errors.Is(err, ErrKeyring) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestCheckNamesNamesEachMissingCredentialOnce(t *testing.T) {
	path := writeFile(t, filepath.Join(t.TempDir(), "k"), "credentials: {a: {username: u, password: p}}\n", 0o600)
	k := open(t, path)
	logins := Logins([]BMC{{Login: "z"}, {Login: "a"}, {Login: "b"}, {Login: "z"}})
	if strings.Join(logins, " ") != "a b z" {
		t.Errorf("logins %v", logins)
	}
	err := CheckNames(t.Context(), k, append(logins, "z"))
	want := fmt.Sprintf("no such credential: \"b\" in %s\nno such credential: \"z\" in %s", path, path)
	if err == nil || err.Error() != want || !errors.Is(err, ErrNoCredential) {
		t.Errorf("got %v", err)
	}
	if err := CheckNames(t.Context(), k, []string{"a"}); err != nil {
		t.Error(err)
	}
}

func FuzzParseKeyring(f *testing.F) {
	f.Add([]byte("credentials:\n  a: {username: u, password: p}\n  b:\n    username: u\n    password_file: f\n"))
	f.Add([]byte("credentials: {a: {username: &x u, password: *x}}\n---\n"))
	f.Add([]byte("credentials:\n  a:\n    username: u\n    password: |\n      x\n"))
	f.Add([]byte("? [a]\n: !!str b\n<<: *c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := parseKeyring("f", data)
		for name, e := range entries {
			if err != nil || e.password.text.Empty() == (e.password.file == "") {
				t.Errorf("accepted %q with error %v", name, err)
			}
		}
	})
}
