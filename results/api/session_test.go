package api

import (
	"io"
	"net/http"
	"testing"
	"time"
)

func TestABrowserSignsInWithATokenThatNoScriptCanRead(t *testing.T) {
	f, viewer, _ := guarded(t)
	ask := func(method, path string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.address+base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	if resp := ask("POST", "/session"); resp.StatusCode != 401 || len(resp.Cookies()) > 0 {
		t.Errorf("without a token: %d %v", resp.StatusCode, resp.Cookies())
	}
	signed := ask("POST", "/session", "Authorization", "Bearer "+viewer)
	if signed.StatusCode != 200 || len(signed.Cookies()) != 1 {
		t.Fatalf("%d %v", signed.StatusCode, signed.Cookies())
	}
	c := signed.Cookies()[0]
	if c.Name != "__Host-lamplighter" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	kept := c.Name + "=" + c.Value
	for _, test := range []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"a page reads", "GET", "/summary", []string{"Cookie", kept}, 200},
		{"a viewer's page does not act", "PUT", "/bmcs/x/ack", []string{"Cookie", kept}, 403},
		{"a page of somebody else", "DELETE", "/session", []string{"Cookie", kept, "Sec-Fetch-Site", "cross-site"}, 403},
		{"a cookie that is none of ours", "GET", "/summary", []string{"Cookie", c.Name + "=lamp_x"}, 401},
		{"a wrong header counts before a good cookie", "GET", "/summary", []string{"Cookie", kept, "Authorization", "Bearer lamp_x"}, 401},
	} {
		if resp := ask(test.method, test.path, test.header...); resp.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", test.name, resp.StatusCode, test.status)
		}
	}
	if out := ask("DELETE", "/session", "Cookie", kept); out.StatusCode != 204 || len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %d %v", out.StatusCode, out.Cookies())
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	f, viewer, _ := guarded(t)
	for _, path := range []string{"/stream", "/map/stream"} {
		t.Run(path, func(t *testing.T) {
			secret, err := CreateToken(f.tokens, "short", Viewer, time.Now(), time.Now().Add(2*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+f.address+base+path, nil)
			r.Header.Set("Authorization", "Bearer "+secret)
			var resp *http.Response
			until(t, "the new token counts", func() bool {
				if resp, err = plainClient(t).Do(r); err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != 200 {
					_ = resp.Body.Close()
				}
				return resp.StatusCode == 200
			})
			defer resp.Body.Close()
			if _, err := io.ReadAll(resp.Body); err != nil { // it ends, and the test's own time does not
				t.Error(err)
			}
		})
	}
	if status, _, _ := f.call("GET", base+"/me", "", "Authorization", "Bearer "+viewer); status != 200 {
		t.Errorf("another's token: %d", status)
	}
}
