package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mapped are the documents with paths, and the minimum number of paths in each, so that the test cannot pass without reading
// any.
var mapped = map[string]int{"ARCHITECTURE.md": 60, "README.md": 6, "README.zh-CN.md": 6, "CONTRIBUTING.md": 2}

var (
	repositoryPath = regexp.MustCompile("`((?:api|worker|pkg|deploy)(?:/[A-Za-z0-9_.-]+)*/?)(?::([A-Za-z]+(?:\\.[A-Za-z]+)?))?`")
	mapRow         = regexp.MustCompile("^\\| *((?:`[^`]+`(?:, )?)+) *\\|")
)

// TestMapNamesEveryPackage compares the map in ARCHITECTURE.md with the packages of the module. A row covers the packages
// below it, but those at the top (api, worker, pkg) cover only themselves.
func TestMapNamesEveryPackage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if m := mapRow.FindStringSubmatch(line); m != nil {
			for _, p := range repositoryPath.FindAllStringSubmatch(m[1], -1) {
				rows = append(rows, strings.TrimSuffix(p[1], "/"))
			}
		}
	}
	packages := packageFolders(t)
	if len(packages) < 30 {
		t.Errorf("found %d packages", len(packages))
	}
	for _, folder := range packages {
		covered := slices.ContainsFunc(rows, func(row string) bool {
			return row == folder || strings.Contains(row, "/") && path.Dir(row) != "." && strings.HasPrefix(folder, row+"/")
		})
		if !covered {
			t.Errorf("the map in ARCHITECTURE.md has no row for %s", folder)
		}
	}
}

// TestPathsInDocumentsExist looks for every file, folder and identifier (file.go:Name) that the documents name.
func TestPathsInDocumentsExist(t *testing.T) {
	t.Parallel()
	for name, least := range mapped {
		text, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		found := repositoryPath.FindAllStringSubmatch(string(text), -1)
		if len(found) < least {
			t.Errorf("%s names %d paths, want at least %d", name, len(found), least)
		}
		for _, m := range found {
			file := filepath.Join("..", filepath.FromSlash(m[1]))
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
				continue
			}
			if m[2] != "" && !declares(t, file, m[2]) {
				t.Errorf("%s names %s in %s, which does not declare it", name, m[2], m[1])
			}
		}
	}
}

// packageFolders returns the folders that hold Go packages, without those that hold only tests.
func packageFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, top := range []string{"api", "worker", "pkg"} {
		err := fs.WalkDir(os.DirFS(".."), top, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && entry.Name() == "testdata" {
				return fs.SkipDir
			}
			folder := path.Dir(name)
			if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") && !slices.Contains(folders, folder) {
				folders = append(folders, folder)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return folders
}

// declares reports whether a Go file declares a name, or a method as Type.Method.
func declares(t *testing.T, file, name string) bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	receiver, member, method := strings.Cut(name, ".")
	for _, decl := range parsed.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if !method && d.Recv == nil && d.Name.Name == name {
				return true
			}
			if method && d.Recv != nil && d.Name.Name == member && receiverName(d.Recv.List[0].Type) == receiver {
				return true
			}
		case *ast.GenDecl:
			if !method && declaresSpec(d, name) {
				return true
			}
		}
	}
	return false
}

// declaresSpec reports whether a declaration of types, constants or variables declares a name.
func declaresSpec(d *ast.GenDecl, name string) bool {
	return slices.ContainsFunc(d.Specs, func(spec ast.Spec) bool {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			return s.Name.Name == name
		case *ast.ValueSpec:
			return slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name })
		}
		return false
	})
}

// receiverName returns the type of a receiver without its pointer and type parameters.
func receiverName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
