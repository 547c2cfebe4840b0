package problem

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// contract is read once: it takes seconds under the race detector.
var contract = sync.OnceValues(func() (*contracttest.Contract, error) { return contracttest.Read("../../../openapi.yaml") })

// enum returns the enum of a schema of the contract, or of a property of the schema.
func enum(t *testing.T, name, property string) []string {
	t.Helper()
	c, err := contract()
	must(t, err)
	ref := c.Doc.Components.Schemas[name]
	if ref == nil {
		t.Fatalf("api/openapi.yaml has no schema %s", name)
	}
	schema := ref.Value
	if property != "" {
		schema = schema.Properties[property].Value
	}
	var values []string
	for _, v := range schema.Enum {
		values = append(values, v.(string))
	}
	if sorted := slices.Sorted(slices.Values(values)); len(slices.Compact(sorted)) != len(values) || len(values) == 0 {
		t.Errorf("%s of api/openapi.yaml has duplicate values or none: %v", name, values)
	}
	return values
}

// compare checks that the codes of a table and of the contract are the same.
func compare(t *testing.T, where, table string, documented, used []string) {
	t.Helper()
	for _, code := range used {
		if !slices.Contains(documented, code) {
			t.Errorf("%q is in %s and not in the contract: add it to %s in api/openapi.yaml", code, table, where)
		}
	}
	for _, code := range documented {
		if !slices.Contains(used, code) {
			t.Errorf("%q is in %s of api/openapi.yaml and not in %s: no response can have it", code, where, table)
		}
	}
}

// TestContractListsEveryCode compares the tables of codes with the enums of the contract.
func TestContractListsEveryCode(t *testing.T) {
	t.Parallel()
	compare(t, "FieldError.code", "fieldSentences of pkg/job", enum(t, "FieldError", "code"), job.FieldCodes())
	compare(t, "FailureCode", "failures of pkg/job", enum(t, "FailureCode", ""), job.FailureCodes())
	// Each family of routes has its own enum. Tests that validate responses check which code belongs to which.
	const families = "ErrorCode (native and synchronous routes), AccountErrorCode or FeedbackError.code"
	var documented []string
	for _, family := range [][2]string{{"ErrorCode", ""}, {"AccountErrorCode", ""}, {"FeedbackError", "code"}} {
		documented = append(documented, enum(t, family[0], family[1])...)
	}
	slices.Sort(documented)
	compare(t, families, "codes of api/server/internal/problem", slices.Compact(documented), slices.Sorted(maps.Keys(codes)))
}

// TestEveryCodeHasATableEntry parses the source for codes without an entry in a table, whose sentence would be the code.
func TestEveryCodeHasATableEntry(t *testing.T) {
	t.Parallel()
	fieldCodes, problemCodes, failureCodes := job.FieldCodes(), slices.Sorted(maps.Keys(codes)), job.FailureCodes()
	seen := 0
	check := func(at token.Position, expr ast.Expr) {
		literal, ok := expr.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return
		}
		seen++
		if code, err := strconv.Unquote(literal.Value); err != nil || !slices.Contains(fieldCodes, code) {
			t.Errorf("%s: the field error %s has no sentence: add it to fieldSentences in pkg/job/sentence.go", at, literal.Value)
		}
	}
	for _, root := range []string{"../../../../api", "../../../../pkg", "../../../../worker"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					for _, element := range codesIn(n) {
						check(set.Position(element.Pos()), element)
					}
				case *ast.CallExpr:
					// bind.Binder.Add and faults.add of pkg/job: pointer, code, arguments.
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "add" || f.Sel.Name == "Add") && len(n.Args) >= 2 {
						check(set.Position(n.Pos()), n.Args[1])
					}
				case *ast.ValueSpec:
					for i, name := range n.Names {
						if file.Name.Name == "problem" && strings.HasPrefix(name.Name, "Code") && i < len(n.Values) {
							literal, ok := n.Values[i].(*ast.BasicLit)
							if !ok {
								continue
							}
							if code, err := strconv.Unquote(literal.Value); err != nil || !slices.Contains(slices.Concat(problemCodes, failureCodes), code) {
								t.Errorf("%s: %s has no row in codes of api/server/internal/problem", set.Position(n.Pos()), literal.Value)
							}
						}
					}
				}
				return true
			})
			return nil
		})
		must(t, err)
	}
	if seen < 40 {
		t.Errorf("found only %d codes", seen)
	}
}

// codesIn returns the codes in a literal of FieldError, or of a slice of FieldError whose elements omit the type.
func codesIn(literal *ast.CompositeLit) []ast.Expr {
	named := func(expr ast.Expr) bool {
		switch e := expr.(type) {
		case *ast.Ident:
			return e.Name == "FieldError"
		case *ast.SelectorExpr:
			return e.Sel.Name == "FieldError"
		}
		return false
	}
	var found []ast.Expr
	collect := func(l *ast.CompositeLit) {
		for _, element := range l.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Code" {
					found = append(found, pair.Value)
				}
			}
		}
	}
	if list, ok := literal.Type.(*ast.ArrayType); ok && named(list.Elt) {
		for _, element := range literal.Elts {
			if inner, ok := element.(*ast.CompositeLit); ok && inner.Type == nil {
				collect(inner)
			}
		}
	}
	if named(literal.Type) {
		collect(literal)
	}
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

func TestEveryCodeHasSentences(t *testing.T) {
	t.Parallel()
	sentences := map[string]Words{}
	for code, d := range codes {
		sentences[code] = d.sentence
		for reason, words := range d.reasons {
			sentences[code+"/"+reason] = words
		}
	}
	for code, words := range sentences {
		en, zh := words.English, words.Chinese
		if en == "" || zh == "" || (en == zh && code != "not_found/path") {
			t.Errorf("%s: %q, %q", code, en, zh)
		}
		if a, b := fmt.Sprint(placeholder.FindAllString(en, -1)), fmt.Sprint(placeholder.FindAllString(zh, -1)); a != b {
			t.Errorf("%s: placeholders %s in English, %s in Chinese", code, a, b)
		}
	}
	for code, d := range codes {
		if en, zh := title(d.status, job.English), title(d.status, job.Chinese); en == "" || zh == en {
			t.Errorf("%s: titles %q, %q", code, en, zh)
		}
	}
}

// plural finds a number with a plural after it, such as "{max} jobs" or "{left} of {max} are left".
var plural = regexp.MustCompile(`\{(?:max|min|asked|left|bad|all)\} (?:event )?[a-z]+s\b|\{(?:max|left|bad)\}[^;,]* are\b`)

// TestSentencesWithOne looks for English sentences that are wrong if their number is 1, as a limit can be.
func TestSentencesWithOne(t *testing.T) {
	t.Parallel()
	if len(plural.FindAllString("{max} jobs, {max} event streams, {left} of {max} per day are left", -1)) != 3 {
		t.Fatal("plurals are not found")
	}
	check := func(code, sentence string) {
		for _, found := range plural.FindAllString(sentence, -1) {
			switch found {
			case "{max} bytes", "{max} pixels", "{max} characters", "{min} characters", "{max} uploads", "{max} requests": // Always above 1.
			default:
				t.Errorf("%s: %q in %q", code, found, sentence)
			}
		}
	}
	for code, d := range codes {
		check(code, d.sentence.English)
		for reason, words := range d.reasons {
			check(code+"/"+reason, words.English)
		}
	}
	for _, code := range job.FieldCodes() {
		check(code, job.FieldError{Code: code}.Sentence(job.English))
	}
}

// TestErrorWhileStarting maps an unknown error before the connection to NATS exists.
func TestErrorWhileStarting(t *testing.T) {
	t.Parallel()
	if p := NewWriter(nil, time.Now).ToProblem(t.Context(), errors.New("something")); p.Code != "unavailable" || p.HTTPStatus() != 503 {
		t.Errorf("%s, %d", p.Code, p.HTTPStatus())
	}
}
