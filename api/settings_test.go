package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

const updateSettings = "go test ./api -run SettingsGuide -update"

// settingsGuide has the texts of the guide in one language.
type settingsGuide struct {
	path string
	// intro, health, operator and caller precede the four tables.
	intro, health, operator, caller string
	// columns is the header of a table; empty is shown for a missing default.
	columns, empty string
}

var settingsGuides = map[string]settingsGuide{
	"en": {
		path: "../deploy/settings.md",
		intro: `# Settings

Settings are environment variables. They are read once, at startup; all invalid settings are reported together, by name.
A variable with the suffix ` + "`_FILE`" + ` holds the path of a file that contains the value, as secrets are mounted. This page is
generated from the program by ` + "`" + updateSettings + "`" + `.

## The programs api and worker

A worker reads the settings for NATS, upstreams, slots, retry delays, shutdown, logs, metrics and traces; its METRICS_ADDR defaults
to 127.0.0.1:9092.
`,
		health: "## The command api health\n",
		operator: `## Operator commands

The commands that call the API with ADMIN_KEY, such as api dead, api feedback and api pause, read these.
`,
		caller: `## Commands for users

The commands api submit, api speak, api watch, api list, api cancel, api usage and api keys read these.
`,
		columns: "| variable | default | meaning |",
		empty:   "empty",
	},
	"zh": {
		path: "../deploy/settings.zh-CN.md",
		intro: `# 设置

设置通过环境变量提供，只在启动时读取一次；所有无效的设置会按变量名一次性全部报告。变量名加后缀 ` + "`_FILE`" + ` 时，其值是一个文件的路径，
程序从该文件读取内容，适合以挂载方式提供的密钥。本页由程序生成：` + "`" + updateSettings + "`" + `。

## 程序 api 与 worker

worker 读取与 NATS、上游服务、并发名额、重试间隔、停机、日志、指标和链路追踪有关的设置；其 METRICS_ADDR 默认为 127.0.0.1:9092。
`,
		health: "## 命令 api health\n",
		operator: `## 运维命令

使用 ADMIN_KEY 调用 API 的命令（如 api dead、api feedback、api pause）读取以下设置。
`,
		caller: `## 用户命令

命令 api submit、api speak、api watch、api list、api cancel、api usage 和 api keys 读取以下设置。
`,
		columns: "| 变量 | 默认值 | 含义 |",
		empty:   "空",
	},
}

// TestSettingsGuide compares both guides of the settings with the structs that read them.
func TestSettingsGuide(t *testing.T) {
	t.Parallel()
	cfg := app.Default()
	var tables [][]env.Setting
	for _, config := range []any{&cfg, &healthConfig{}, &operatorConfig{}, &callerConfig{}} {
		table, err := env.Table(config)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	texts := chineseTexts(t, tables)
	for lang, g := range settingsGuides {
		var guide strings.Builder
		for i, intro := range []string{g.intro, g.health, g.operator, g.caller} {
			if i > 0 {
				guide.WriteString("\n")
			}
			_, _ = fmt.Fprintf(&guide, "%s\n%s\n|---|---|---|\n", intro, g.columns)
			for _, s := range tables[i] {
				if s.Doc == "" {
					t.Errorf("%s has no doc tag", s.Name)
				}
				doc := s.Doc
				if lang == "zh" {
					doc = texts[settingText{s.Name, s.Doc}]
				}
				g.row(&guide, s, doc)
			}
		}
		compareGenerated(t, g.path, guide.String())
	}
}

// row writes the line of one setting.
func (g settingsGuide) row(w *strings.Builder, s env.Setting, doc string) {
	name := "`" + s.Name + "`"
	for _, alias := range s.Aliases {
		name += ", `" + alias + "`"
	}
	value := g.empty
	if s.Default != "" {
		value = "`" + s.Default + "`"
	}
	_, _ = fmt.Fprintf(w, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(doc, "|", `\|`))
}

// compareGenerated fails the test unless a generated file contains text. With -update it writes the file.
func compareGenerated(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != text {
		t.Errorf("%s is out of date; run %s", strings.TrimPrefix(path, "../"), updateSettings)
	}
}
