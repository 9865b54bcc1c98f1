package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/vungxa/vungxa/node"
)

// console is where a command speaks to people.
type console struct {
	out     io.Writer
	log     *slog.Logger
	english bool
	stopped <-chan struct{} // closed when someone stops the command
}

// say prints a line in the console's language, numbers by its habit.
func (c *console) say(vi, en string, args ...any) { c.write(c.out, vi, en, args) }

// warn prints a line beside the output.
func (c *console) warn(vi, en string, args ...any) { c.write(os.Stderr, vi, en, args) }

func (c *console) write(w io.Writer, vi, en string, args []any) {
	if c.english {
		vi = en
	}
	for i, arg := range args {
		switch n := arg.(type) {
		case int:
			args[i] = figure(c.grouped(strconv.Itoa(n)))
		case uint64:
			args[i] = figure(c.grouped(strconv.FormatUint(n, 10)))
		}
	}
	fmt.Fprintf(w, vi+"\n", args...)
}

// figure is a number that is written already, for %d.
type figure string

// Format implements fmt.Formatter.
func (f figure) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, string(f)) }

// grouped sets digits in threes: 118.398 here, 118,398 in English.
func (c *console) grouped(digits string) string {
	mark := "."
	if c.english {
		mark = ","
	}
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + mark + digits[i:]
	}
	return digits
}

func (c *console) text(t node.Text) string {
	if c.english {
		return t.EN
	}
	return t.VI
}

// bytes is a number of bytes as people read it.
func (c *console) bytes(n uint64) string {
	s := strconv.FormatUint((n+1023)>>10, 10) + " KiB"
	switch {
	case n < 1<<10:
		return strconv.FormatUint(n, 10) + " byte"
	case n >= 1<<30:
		s = fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		s = fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	if c.english {
		return s
	}
	return strings.Replace(s, ".", ",", 1)
}

// when is a time as people read it, here.
func (c *console) when(ms int64) string {
	if c.english {
		return time.UnixMilli(ms).Format("2006-01-02 15:04")
	}
	return time.UnixMilli(ms).Format("02/01/2006 15:04")
}

// tongue says which language to speak: what --lang asks for, wherever it stands, or
// else what the environment does, in the order that POSIX gives its variables.
func tongue(args []string, env func(string) string) (english bool, err error) {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := env(name); value != "" {
			english = strings.HasPrefix(value, "en")
			break
		}
	}
	for i, arg := range args {
		asked, is := strings.CutPrefix(arg, "--lang=")
		switch {
		case arg == "--":
			return english, nil
		case arg == "--lang" && i+1 < len(args):
			asked = args[i+1]
		case !is:
			continue
		}
		switch asked {
		case "vi", "en":
			english = asked == "en"
		default:
			return english, node.Errorf(node.Invalid, "--lang %q: chỉ có vi và en.", "--lang %q: there are vi and en", asked)
		}
	}
	return english, nil
}
