package kafka

import "testing"

// The exchange of RFC 7677, section 3.
func TestScramAsTheRFCShowsIt(t *testing.T) {
	s := newScram(ScramSHA256)
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	if err := s.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	for i, step := range [][2]string{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	} {
		if s.Done() {
			t.Fatal("done too early")
		}
		if got, err := s.Step(step[0]); err != nil || got != step[1] {
			t.Fatalf("step %d: got %q %v, want %q", i+1, got, err, step[1])
		}
	}
	if !s.Done() {
		t.Error("not done")
	}
}

func TestScramDistrustsTheBroker(t *testing.T) {
	const challenge = "r=NONCEmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	for name, said := range map[string][]string{
		"another nonce":                  {"", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		"our nonce and nothing of its":   {"", "r=NONCE,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		"too few rounds":                 {"", "r=NONCEmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"},
		"so many rounds that we stall":   {"", "r=NONCEmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000"},
		"no salt":                        {"", "r=NONCEmore,s=,i=4096"},
		"a salt that is no base64":       {"", "r=NONCEmore,s=!,i=4096"},
		"nothing":                        {"", ""},
		"no proof":                       {"", challenge, ""},
		"another proof":                  {"", challenge, "v=AAAA"},
		"an error in the place of proof": {"", challenge, "e=invalid-proof"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScram(ScramSHA512)
			s.nonce = "NONCE"
			_ = s.Begin("u", "p", "")
			var err error
			for _, text := range said {
				if err != nil {
					t.Fatalf("failed before the last step: %v", err)
				}
				_, err = s.Step(text)
			}
			if err == nil || s.Done() {
				t.Errorf("got %v, done %v", err, s.Done())
			}
		})
	}
}

func FuzzScram(f *testing.F) {
	f.Add("r=NONCEmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
	f.Fuzz(func(_ *testing.T, challenge string) {
		s := newScram(ScramSHA256)
		s.nonce = "NONCE"
		_ = s.Begin("u", "p", "")
		_, _ = s.Step("")
		_, _ = s.Step(challenge)
	})
}
