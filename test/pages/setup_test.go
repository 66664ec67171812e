package pages_test

func firstSetUp(v visit) {
	t, c := v.t, v.chromium
	s := newFreshService(t)
	token, _, err := s.core.OpenFirstSetUp(t.Context())
	noError(t, err)
	b, path := c.tab(t, s), "/setup/"+token
	b.opens(path, 200, "Set up Keyfob")
	b.look("set-up")
	b.fill("org_name", "Acme, Inc.", "org_slug", "acme", "name", "Ada Lovelace", "email", adasEmail,
		"password", adasPassword, "password_again", adasPassword+"!")
	b.leads(400, "Set up Keyfob", press("Set up"))
	b.shows("The two passwords are not the same.")
	b.look("set-up-wrong")
	b.fill("password", adasPassword, "password_again", adasPassword)
	b.leads(200, "Keyfob is ready", press("Set up"))
	b.shows("You are the owner of Acme, Inc. now.", "keyfob auth login --url "+s.url)
	b.look("set-up-done")
	b.opens("/device", 200, "Enter your code")
	b.opens(path, 200, "Keyfob is ready")
	other := c.tab(t, s)
	other.opens(path, 404, "This does not work any more")
	other.look("link-used")
}

func join(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	b, path := c.tab(t, s), s.invite(t, "eve@example.com")
	b.opens(path, 200, "Join Acme, Inc.")
	b.shows("Ada Lovelace has invited you to Acme, Inc. as admin.")
	b.look("join")
	b.fill("name", "Eve", "password", "five fine words go here", "password_again", "five fine words go here")
	b.leads(200, "You have joined", press("Join"))
	b.look("joined")
	b.opens("/device", 200, "Enter your code")
	b.shows("Signed in as Eve (eve@example.com)")
}

// joinWithAccount invites somebody who has an account of an org before.
func joinWithAccount(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	_, _, err := s.core.AddMember(t.Context(), s.principal(t), "acme", "eve@example.com", "viewer")
	noError(t, err)
	first := c.tab(t, s)
	path := s.invite(t, "eve@example.com") // takes the place of the one before
	first.opens(path, 200, "Join Acme, Inc.")
	first.fill("name", "Eve", "password", "five fine words go here", "password_again", "five fine words go here")
	first.leads(200, "You have joined", press("Join"))
	noError(t, s.core.RemoveMember(t.Context(), s.principal(t), "acme", "eve@example.com"))

	b, path := c.tab(t, s), s.invite(t, "eve@example.com")
	b.opens(path, 200, "Join Acme, Inc.")
	b.shows("You have an account already")
	b.look("join-account")
	b.fill("password", "five fine words go there")
	b.leads(403, "Join Acme, Inc.", press("Join"))
	b.look("join-account-wrong")
	b.fill("password", "five fine words go here")
	b.leads(200, "You have joined", press("Join"))
}

func passwordLink(v visit) {
	t, c := v.t, v.chromium
	s := newService(t)
	token, err := s.core.NewPasswordSetUp(t.Context(), adasEmail)
	noError(t, err)
	const fresh = "quite another fine password"
	b, path := c.tab(t, s), "/setup/"+token
	b.opens(path, 200, "Choose a new password")
	b.shows("ends every session and token of your account")
	b.look("password")
	b.fill("password", adasEmail+adasEmail, "password_again", adasEmail)
	b.leads(400, "Choose a new password", press("Set password"))
	b.look("password-wrong")
	b.fill("password", fresh, "password_again", fresh)
	b.leads(200, "Your password is set", press("Set password"))
	b.look("password-set")

	other := c.tab(t, s)
	other.opens("/device", 200, "Sign in")
	other.fill("email", adasEmail, "password", fresh)
	other.leads(200, "Enter your code", press("Sign in"))
}
