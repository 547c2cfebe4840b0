package deploy_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

var update = flag.Bool("update", false, "write the generated files instead of comparing them")

// descriptions returns the descriptions of all metrics of the programs.
func descriptions(t *testing.T) []telemetry.Description {
	t.Helper()
	m := telemetry.NewMetrics()
	must(t, m.RegisterQueue(nil))
	must(t, m.RegisterDeadLetters(nil))
	must(t, m.RegisterStore(nil))
	must(t, m.RegisterWorkers(nil))
	return m.Descriptions()
}

// guide is the guide to metrics in one language.
type guide struct {
	path, head string
	meaning    func(telemetry.Description) string
	unit       map[string]string
	foot       string
}

// TestMetricsGuide compares the tables of metrics with the registry.
func TestMetricsGuide(t *testing.T) {
	t.Parallel()
	list := descriptions(t)
	for _, g := range []guide{
		{
			path: "metrics.md", head: metricsHead, foot: metricsFoot,
			meaning: func(d telemetry.Description) string { return d.Help },
			unit:    map[string]string{"seconds": "seconds", "bytes": "bytes", "number": "number"},
		},
		{
			path: "metrics.zh-CN.md", head: metricsHeadChinese, foot: metricsFootChinese,
			meaning: func(d telemetry.Description) string { return metricsChinese[d.Name] },
			unit:    map[string]string{"seconds": "秒", "bytes": "字节", "number": "个数"},
		},
	} {
		var text strings.Builder
		text.WriteString(g.head)
		for _, d := range list {
			meaning := g.meaning(d)
			if meaning == "" {
				t.Errorf("%s: %s has no meaning", g.path, d.Name)
			}
			labels := "–"
			if len(d.Labels) > 0 {
				labels = "`" + strings.Join(d.Labels, "`, `") + "`"
			}
			_, _ = fmt.Fprintf(&text, "| `%s` | %s | %s | %s | %s | %s |\n",
				d.Name, d.Type, g.unit[d.Unit()], labels, d.Programs, strings.ReplaceAll(meaning, "|", `\|`))
		}
		text.WriteString(g.foot)
		if *update {
			must(t, os.WriteFile(g.path, []byte(text.String()), 0o600))
		}
		if read(t, g.path) != text.String() {
			t.Errorf("deploy/%s does not match the registry; run go test ./deploy -run MetricsGuide -update", g.path)
		}
	}
	for name := range metricsChinese {
		if !strings.Contains(read(t, "metrics.md"), "`"+name+"`") {
			t.Errorf("metricsChinese has the unknown metric %s", name)
		}
	}
}

// TestLabelsAreBounded rejects labels whose values come from users or jobs.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, label := range strings.Fields("kind lane outcome reason pool state upstream status route method mode policy stream storage result template where source version commit go_version") {
		known[label] = true
	}
	for _, d := range descriptions(t) {
		for _, label := range d.Labels {
			if !known[label] {
				t.Errorf("%s has the label %s: its values must be few and must not come from clients", d.Name, label)
			}
		}
	}
}

const metricsHead = `# Metrics

Both programs serve Prometheus metrics on METRICS_ADDR while METRICS_ENABLED is on. This table is generated from the registry
by ` + "`go test ./deploy -run MetricsGuide -update`" + `; [monitoring.md](monitoring.md) says what to do with them.

| metric | type | unit | labels | program | meaning |
|---|---|---|---|---|---|
`

const metricsFoot = `
- An API process with the embedded NATS brings its own worker and exports the metrics of both.
- A histogram has the series ` + "`_bucket`, `_sum` and `_count`" + `. METRICS_SAMPLE_RATE lowers how many durations of HTTP requests
  and upstream calls are measured; counters count everything.
- Gauges that every API process exports with the same value describe NATS and not the process: aggregate them with ` + "`max`" + `.
- No label holds a user, a prompt, a job id or a path: ` + "`route`" + ` is the pattern that matched.
- ` + "`go_*` and `process_*`" + ` are those of the Prometheus client; ` + "`promhttp_*`" + ` counts errors while serving.
`

const metricsHeadChinese = `# 指标

METRICS_ENABLED 为 on 时，两个程序都在 METRICS_ADDR 上提供 Prometheus 指标。下表由
` + "`go test ./deploy -run MetricsGuide -update`" + ` 从指标注册表生成；如何使用见 [monitoring.zh-CN.md](monitoring.zh-CN.md)。

| 指标 | 类型 | 单位 | 标签 | 程序 | 含义 |
|---|---|---|---|---|---|
`

const metricsFootChinese = `
- 使用内嵌 NATS 的 API 进程自带 worker，因此同时导出两者的指标。
- 直方图包含 ` + "`_bucket`、`_sum`、`_count`" + ` 三类序列。METRICS_SAMPLE_RATE 只降低 HTTP 请求和上游调用耗时的采样比例，计数器始终全量计数。
- 标注“各 API 进程数值相同”的 gauge 描述的是 NATS 而非单个进程，聚合时请用 ` + "`max`" + `，不要用 ` + "`sum`" + `。
- 任何标签都不含用户、提示词、任务 ID 或原始路径：` + "`route`" + ` 是匹配到的路由模式。
- ` + "`go_*`、`process_*`" + ` 由 Prometheus 客户端库提供，` + "`promhttp_*`" + ` 统计提供指标时的错误。
`
