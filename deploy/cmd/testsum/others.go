package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// vitestReport is the part of vitest's JSON report that is read here.
type vitestReport struct {
	TestResults []struct {
		Name             string // of the file
		Status           string
		Message          string // why the file as a whole failed
		AssertionResults []struct {
			FullName        string
			Status          string
			FailureMessages []string
		}
	}
}

// readVitest reads the report of `vitest run --reporter=json`. vitest's own
// reporter shows failures at length, so here each is one line.
func readVitest(in io.Reader, to io.Writer) (Sum, error) {
	var report vitestReport
	if err := json.NewDecoder(in).Decode(&report); err != nil {
		return Sum{}, fmt.Errorf("decode JSON: %w", err)
	}
	var sum Sum
	for _, file := range report.TestResults {
		for _, t := range file.AssertionResults {
			switch t.Status {
			case "passed":
				sum.Passed++
			case "failed":
				sum.Failed++
				fmt.Fprintf(to, "FAIL %s: %s: %s\n", file.Name, t.FullName, firstLine(t.FailureMessages))
			default:
				sum.Skips = append(sum.Skips, t.FullName)
			}
		}
		if file.Status == "failed" && len(file.AssertionResults) == 0 {
			sum.Failed++
			fmt.Fprintf(to, "FAIL %s: %s\n", file.Name, file.Message)
		}
	}
	return sum, nil
}

func firstLine(messages []string) string {
	line, _, _ := strings.Cut(strings.Join(messages, "\n"), "\n")
	return line
}

// tapLine is a line of the Test Anything Protocol, as testanything.org has it:
// ok or not ok, a number, a description, a directive.
var tapLine = regexp.MustCompile(`^(not )?ok\b\s*\d*\s*-?\s*(.*?)(?:\s+#\s*(?i:skip)\S*\s*(.*))?$`)

// tapPlan announces how many steps there will be.
var tapPlan = regexp.MustCompile(`^1\.\.(\d{1,6})\b`)

// readTAP passes every line on as it comes, so that a person can follow a long
// story, and counts the steps in it. A story that ends well before its last
// planned step has not ended well.
func readTAP(in io.Reader, to io.Writer) (Sum, error) {
	var sum Sum
	planned := 0
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 1<<16), 1<<24)
	for scan.Scan() {
		fmt.Fprintln(to, scan.Text())
		if m := tapPlan.FindStringSubmatch(scan.Text()); m != nil {
			planned, _ = strconv.Atoi(m[1]) // six digits always fit
		}
		m := tapLine.FindStringSubmatch(scan.Text())
		switch {
		case m == nil:
		case m[3] != "":
			sum.Skips = append(sum.Skips, m[2]+": "+m[3])
		case m[1] != "":
			sum.Failed++
		default:
			sum.Passed++
		}
	}
	if err := scan.Err(); err != nil {
		return Sum{}, fmt.Errorf("a line over 16 MiB, or a cut pipe: %w", err)
	}
	if seen := sum.Passed + sum.Failed + len(sum.Skips); sum.Failed == 0 && seen < planned {
		return sum, fmt.Errorf("%d steps were planned and %d told of", planned, seen)
	}
	return sum, nil
}
