package pages

import "testing"

func TestWhereASignInGoesOnTo(t *testing.T) {
	t.Parallel()
	const plain, coded = "/device", "/device?code=BCDF-GHJK"
	for raw, want := range map[string]string{
		"":                          plain,
		"/device":                   plain,
		"/device?code=BCDF-GHJK":    coded,
		"/device?code=bcdfghjk":     coded,
		"/device?code=bcdf%20ghjk":  coded,
		"/device?code=BCDF-GHJK&x=": coded,
		"/device?x=1&code=BCDFGHJK": coded,
		"/device?code=BCDF-GHJK#//": coded,
		// A code is eight letters and nothing else gets through.
		"/device?code=BCDF":                    plain,
		"/device?code=BCDF-GHJK-LMNP":          plain,
		"/device?code=":                        plain,
		"/device?code=%zz":                     plain,
		"/device?code=BCDF%2FGHJK":             coded,
		"/device?code=BCDF%0D%0AGHJK":          coded,
		"/device?code=%3Cscript%3E":            plain,
		"/device?code=BCDF-GHJK&code=LMNPQRST": coded,
		// Other pages, of ours or others.
		"/sign-in":                          plain,
		"/setup/token":                      plain,
		"/device/":                          plain,
		"/device/../sign-in":                plain,
		"/device/decision":                  plain,
		"/Device":                           plain,
		"/%64evice?code=BCDF-GHJK":          coded,
		"device":                            plain,
		"//evil.example":                    plain,
		"//evil.example/device":             plain,
		"///evil.example/device":            plain,
		"/\\evil.example":                   plain,
		"/\\/evil.example/device":           plain,
		"\\\\evil.example":                  plain,
		"/%2Fevil.example":                  plain,
		"/%2F%2Fevil.example/device":        plain,
		"/%5Cevil.example":                  plain,
		"%2F%2Fevil.example":                plain,
		"/\t/evil.example":                  plain,
		"\t//evil.example":                  plain,
		" //evil.example":                   plain,
		"/device\r\nLocation: //evil":       plain,
		"https://evil.example/device":       plain,
		"https:/device":                     plain,
		"https:device":                      plain,
		"HTTPS://evil.example":              plain,
		"javascript:alert(1)":               plain,
		"data:text/html,x":                  plain,
		"//user@evil.example/device":        plain,
		"/device@evil.example":              plain,
		"/device.evil.example":              plain,
		"//evil.example\\@127.0.0.1/device": plain,
		"?code=BCDF-GHJK":                   plain,
		"#/device":                          plain,
	} {
		if got := nextPage(raw); got != want {
			t.Errorf("%q leads to %q, want %q", raw, got, want)
		}
	}
}
