package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vungxa/vungxa/node"
	"github.com/vungxa/vungxa/node/auth"
)

const sessionHeader = "X-Vungxa-Session"

// cookieName is the name of a session's cookie. Cookies ignore ports, so the port
// is in it; a browser's tabs share cookies, so the session's tag is in it.
func (s *server) cookieName(tag string) string { return s.cookiePrefix() + tag }

func (s *server) cookiePrefix() string { return "vungxa_" + s.port + "_" }

func (s *server) cookie(tag, value string) http.Cookie {
	c := http.Cookie{Name: s.cookieName(tag), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *auth.Session {
	s, _ := ctx.Value(sessionKey{}).(*auth.Session)
	return s
}

// requireSession lets an operation run for who holds both halves of a session.
func (s *server) requireSession(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	tag, secret, _ := strings.Cut(r.Header.Get(sessionHeader), ".")
	p := auth.Proof{Tag: tag, Secret: secret}
	if c, err := r.Cookie(s.cookieName(tag)); err == nil {
		p.Cookie = c.Value
	}
	session, err := s.Auth.Check(p)
	if err != nil {
		writeProblem(w, r, err)
		return
	}
	next(huma.WithValue(ctx, sessionKey{}, session))
}

type officerBody struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type sessionAnswer struct {
	Officer     officerBody `json:"officer"`
	PasswordSet bool        `json:"password_set"`
}

type signInBody struct {
	Code     string `json:"code,omitempty" maxLength:"64" doc:"A one-time code, or"`
	Officer  string `json:"officer,omitempty" maxLength:"64" doc:"an officer's id and"`
	Password string `json:"password,omitempty" doc:"the password."`
}

type signInInput struct {
	Body    signInBody
	source  string
	cookies []*http.Cookie
}

// Resolve implements huma.Resolver: it notes where the request came from.
func (in *signInInput) Resolve(ctx huma.Context) []error {
	r, _ := humago.Unwrap(ctx)
	in.source, in.cookies = source(r.RemoteAddr), r.Cookies()
	return nil
}

// source is what tries are counted by: an address, or an IPv6 network, since one
// machine has as many addresses there as it likes.
func source(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return host
	}
	return network.String()
}

type signedIn struct {
	Secret      string      `json:"secret" doc:"For the header X-Vungxa-Session; keep it in this tab only."`
	Officer     officerBody `json:"officer"`
	PasswordSet bool        `json:"password_set"`
}

type signInOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie" hidden:"true"`
	Body      signedIn
}

type sessionOutput struct{ Body sessionAnswer }

type signOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie" hidden:"true"`
}

type passwordBody struct {
	Password string `json:"password"`
	Current  string `json:"current,omitempty" doc:"Needed if a password is set."`
}

type passwordInput struct{ Body passwordBody }

type officersOutput struct{ Body list[officerBody] }

func (s *server) registerSession(api huma.API) {
	op := open(http.MethodPost, "/session", "sign-in", "Sign in by a one-time code or by a password.")
	op.MaxBodyBytes = maxSignIn
	add(s, api, op, s.signIn)
	add(s, api, s.signedIn(http.MethodGet, "/session", "session", "Who is signed in."),
		func(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
			o := s.Auth.Officer(sessionOf(ctx))
			return &sessionOutput{sessionAnswer{officerBody{o.ID, o.Name}, o.PasswordSet}}, nil
		})
	add(s, api, s.signedIn(http.MethodDelete, "/session", "sign-out", "Sign out."), s.signOut)
	op = s.signedIn(http.MethodPut, "/session/password", "set-password", "Set or change the password. Other sessions of the officer end.")
	op.MaxBodyBytes = maxSignIn
	add(s, api, op, func(ctx context.Context, in *passwordInput) (*struct{}, error) {
		return nil, s.Auth.SetPassword(ctx, sessionOf(ctx), in.Body.Password, in.Body.Current)
	})
	add(s, api, open(http.MethodGet, "/officers", "officers", "Who may sign in here."),
		func(context.Context, *struct{}) (*officersOutput, error) {
			out := &officersOutput{}
			for _, o := range s.Auth.Officers() {
				out.Body = append(out.Body, officerBody{o.ID, o.Name})
			}
			return out, nil
		})
}

func (s *server) signIn(ctx context.Context, in *signInInput) (*signInOutput, error) {
	session, proof, err := s.open(ctx, in)
	if err != nil {
		return nil, err
	}
	o := session.Officer
	return &signInOutput{
		SetCookie: append(s.stale(in.cookies), s.cookie(proof.Tag, proof.Cookie)),
		Body:      signedIn{proof.Tag + "." + proof.Secret, officerBody{o.ID, o.Name}, o.PasswordSet},
	}, nil
}

func (s *server) open(ctx context.Context, in *signInInput) (*auth.Session, auth.Proof, error) {
	b := in.Body
	switch {
	case b.Code != "" && b.Officer == "" && b.Password == "":
		return s.Auth.SignInByCode(in.source, b.Code)
	case b.Code == "" && b.Officer != "" && b.Password != "":
		return s.Auth.SignInByPassword(ctx, in.source, b.Officer, b.Password)
	}
	return nil, auth.Proof{}, node.Errorf(node.Invalid,
		"Hãy gửi hoặc mã đăng nhập, hoặc tên đăng nhập và mật khẩu.", "send either a code, or an officer and a password")
}

// stale clears the cookies of sessions that are over.
func (s *server) stale(cookies []*http.Cookie) []http.Cookie {
	var out []http.Cookie
	for _, c := range cookies {
		if tag, ok := strings.CutPrefix(c.Name, s.cookiePrefix()); ok && !s.Auth.Known(tag) {
			out = append(out, s.cookie(tag, ""))
		}
	}
	return out
}

func (s *server) signOut(ctx context.Context, _ *struct{}) (*signOutOutput, error) {
	session := sessionOf(ctx)
	s.Auth.SignOut(session)
	return &signOutOutput{s.cookie(session.Tag, "")}, nil
}
