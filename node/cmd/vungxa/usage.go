package main

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/vungxa/vungxa/node"
)

// newParser reads the command line; its help is in the console's language.
func newParser(c *console) *kong.Kong {
	description := node.Text{
		VI: "Vùng Xa: nút cho văn phòng xã, làm việc được cả khi mất mạng.",
		EN: "Vùng Xa: an offline-first node for the commune office.",
	}
	options := []kong.Option{
		kong.Name("vungxa"), kong.Description(c.text(description)), kong.UsageOnError(),
		kong.NamedMapper("path", pathMapper(nil)),
		kong.NamedMapper("existingfile", pathMapper(func(i os.FileInfo) bool { return !i.IsDir() })),
		kong.NamedMapper("existingdir", pathMapper(os.FileInfo.IsDir)),
	}
	if !c.english {
		options = append(options, kong.Help(vietnameseHelp))
	}
	parser := kong.Must(&cli{}, options...)
	if !c.english {
		inVietnamese(parser.Model.Node)
	}
	return parser
}

// inVietnamese puts the texts of the tags vi in the place of the English ones.
func inVietnamese(n *kong.Node) {
	for _, f := range n.Flags {
		f.Help = vietnameseOf(f.Value)
	}
	for _, p := range n.Positional {
		p.Help = vietnameseOf(p)
	}
	for _, child := range n.Children {
		child.Help = child.Tag.Get("vi")
		inVietnamese(child)
	}
}

func vietnameseOf(v *kong.Value) string {
	if v.Name == "help" { // kong's own
		return "Hiện phần trợ giúp này."
	}
	return v.Tag.Get("vi")
}

// headings are what kong writes around the texts of a help page.
var headings = strings.NewReplacer(
	"Usage: ", "Cách dùng: ", "\nArguments:\n", "\nĐối số:\n", "\nFlags:\n", "\nTùy chọn:\n", "\nCommands:\n", "\nCác lệnh:\n",
	"<command>", "<lệnh>", "[flags]", "[tùy chọn]",
	`Run "vungxa <command> --help" for more information on a command.`, "Xem một lệnh: vungxa <lệnh> --help",
)

func vietnameseHelp(options kong.HelpOptions, ctx *kong.Context) error {
	out := ctx.Stdout
	defer func() { ctx.Stdout = out }()
	var page bytes.Buffer
	ctx.Stdout = &page
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := headings.WriteString(out, page.String())
	return err
}

// pathMapper reads a path; where fits is given, there is something there that does.
// An empty one is refused: it would be the directory that someone happens to be in.
func pathMapper(fits func(os.FileInfo) bool) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		var path string
		if err := ctx.Scan.PopValueInto("path", &path); err != nil {
			return err
		}
		name := ctx.Value.ShortSummary()
		if path == "" {
			return node.Errorf(node.Invalid, "%s trống: hãy viết một đường dẫn.", "%s is empty: write a path", name)
		}
		path = kong.ExpandPath(path)
		if fits != nil {
			info, err := os.Stat(path)
			if err != nil {
				return node.Errorf(node.NotFound, "%s: không mở được %w. Hãy xem lại đường dẫn, hoặc thiết bị đã được gắn chưa.",
					"%s: %w; see whether the path is right, and what holds it is mounted", name, err)
			}
			if !fits(info) && info.IsDir() {
				return node.Errorf(node.Invalid, "%s: %s là thư mục, còn ở đây cần một tệp.", "%s: %s is a directory, and a file is wanted here", name, path)
			}
			if !fits(info) {
				return node.Errorf(node.Invalid, "%s: %s là tệp, còn ở đây cần một thư mục.", "%s: %s is a file, and a directory is wanted here", name, path)
			}
		}
		if target.Kind() == reflect.Slice {
			target.Set(reflect.Append(target, reflect.ValueOf(path)))
			return nil
		}
		target.SetString(path)
		return nil
	}
}

// mistakes are kong's sentences about a command line, and ours in Vietnamese.
var mistakes = []struct {
	kong *regexp.Regexp
	vi   string
}{
	{regexp.MustCompile(`^missing flags: (.*)$`), "Thiếu tùy chọn: $1"},
	{regexp.MustCompile(`^unexpected argument (.*?), did you mean (?:one of )?(.*)\?$`), "Không hiểu đối số $1. Có phải ý bạn là $2?"},
	{regexp.MustCompile(`^unexpected argument (.*)$`), "Không hiểu đối số $1."},
	{regexp.MustCompile(`^unknown flag (.*?), did you mean (?:one of )?(.*)\?$`), "Không có tùy chọn $1. Có phải ý bạn là $2?"},
	{regexp.MustCompile(`^unknown flag (.*)$`), "Không có tùy chọn $1."},
	{regexp.MustCompile(`^expected one of (.*?)(?:, \.\.\.)?$`), "Hãy nói cần làm gì, chẳng hạn $1."},
	{regexp.MustCompile(`^expected "(.*)"$`), "Thiếu đối số $1."},
	{regexp.MustCompile(`^missing positional arguments (.*)$`), "Thiếu đối số $1."},
	{regexp.MustCompile(`^(.*) must be one of (.*) but got (.*)$`), "$1 phải là một trong $2, không phải $3."},
	{regexp.MustCompile(`^(.*): expected a valid \d+ bit u?int but got (.*)$`), "$1: cần một số nguyên, không phải $2."},
	{regexp.MustCompile(`^(.*): expected an int but got (.*)$`), "$1: cần một số nguyên, không phải $2."},
	{regexp.MustCompile(`^(.*): expected \S+ value but got .*$`), "$1: thiếu giá trị."},
	{regexp.MustCompile(`^(.*): bool value must be .* but got (.*)$`), "$1 là tùy chọn bật/tắt, không nhận giá trị $2."},
	{regexp.MustCompile(`^(.*) and (.*) can't be used together$`), "Không dùng $1 cùng $2."},
}

// misused says what is wrong with a command line, and where help is.
func misused(c *console, err error) string {
	command := "vungxa"
	if p := (*kong.ParseError)(nil); errors.As(err, &p) && p.Context.Selected() != nil {
		command = p.Context.Selected().FullPath()
	}
	said := err.Error()
	if e := (*node.Error)(nil); errors.As(err, &e) {
		said = c.text(e.Message)
	} else if !c.english {
		said = mistake(said)
	}
	return said + "\n" + c.text(node.Text{VI: "Trợ giúp: " + command + " --help", EN: "Help: " + command + " --help"})
}

func mistake(said string) string {
	for _, m := range mistakes {
		if m.kong.MatchString(said) {
			return m.kong.ReplaceAllString(said, m.vi)
		}
	}
	return said
}
