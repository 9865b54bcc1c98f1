package tidy

import (
	"bytes"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	inlineLink    = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	referenceLink = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?\s*(?:["'(][^"')]*["')])?\s*$`)
	codeSpan      = regexp.MustCompile("`[^`]*`")
)

// Links finds links in Markdown files that lead to no file or folder of the
// project. Links to other hosts are not followed: the house builds with no line.
func Links(t *Tree) []Finding {
	exists := map[string]bool{".": true}
	for _, f := range t.Files {
		for p := f.Path; p != "."; p = path.Dir(p) {
			exists[p] = true
		}
	}
	var found []Finding
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".md" {
			continue
		}
		for line, target := range linksIn(f.Data) {
			if p, local := resolve(f.Dir(), target); local && !exists[p] {
				found = append(found, Finding{f.Path, line, "a link to nothing: " + target, "correct it or remove it"})
			}
		}
	}
	return found
}

// linksIn yields the 1-based line and the target of every link outside code.
func linksIn(text []byte) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		fenced := false
		for i, line := range bytes.Split(text, []byte("\n")) {
			if bytes.HasPrefix(bytes.TrimSpace(line), []byte("```")) {
				fenced = !fenced
			}
			if fenced {
				continue
			}
			line = codeSpan.ReplaceAll(line, nil)
			for _, re := range []*regexp.Regexp{inlineLink, referenceLink} {
				for _, m := range re.FindAllSubmatch(line, -1) {
					if !yield(i+1, string(m[1])) {
						return
					}
				}
			}
		}
	}
}

// resolve is the path in the tree that a link means; not local are anchors in
// the same file and anything with a scheme.
func resolve(dir, target string) (p string, local bool) {
	u, err := url.Parse(target)
	if err != nil {
		return target, true
	}
	if u.Scheme != "" || u.Host != "" || u.Path == "" {
		return "", false
	}
	if strings.HasPrefix(u.Path, "/") {
		return u.Path, true
	}
	return path.Join(dir, u.Path), true
}
