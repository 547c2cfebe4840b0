package broker_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		broker.JobSubject(job.KindImage, job.LaneGuest, "g-1", "j"): "jobs.image.guest.g-1.j",
		broker.AnyJobSubject("o", "j"):                              "jobs.*.*.o.j",
		broker.OwnerJobsSubject("o"):                                "jobs.*.*.o.*",
		broker.LaneSubject(job.KindPrompt, job.LaneMember):          "jobs.prompt.member.>",
		broker.ConsumerName(job.KindPrompt, job.LaneMember):         "worker-prompt-member",
		broker.RecordSubject("o", "j"):                              "$KV.RESULTS.o.j",
		broker.OwnerRecordsSubject("o"):                             "$KV.RESULTS.o.*",
		broker.ManifestSubject("o", "j", 3):                         "$KV.RESULTS.o.j.3",
		broker.ChunkSubject("o", "j", 3, "ab", 12):                  "$KV.RESULTS.o.j.3.ab.12",
		broker.JobMediaSubject("o", "j"):                            "$KV.RESULTS.o.j.>",
		broker.ProgressSubject("o", "j"):                            "$KV.PROGRESS.o.j",
		broker.WorkerSubject("w"):                                   "$KV.CONTROL.worker.w",
		broker.UsersProbeSubject("p"):                               "$KV.USERS.probe.p",
		broker.ResultsProbeSubject():                                "$KV.RESULTS.probe",
		broker.LossSubject():                                        "$KV.CONTROL.loss",
		broker.DeadSubject(job.KindAudio, "o", "j"):                 "dead.audio.o.j",
		broker.DeadsSubject("", ""):                                 "dead.*.*.*",
		broker.DeadsSubject(job.KindAudio, ""):                      "dead.audio.*.*",
		broker.DeadsSubject("", "o"):                                "dead.*.o.*",
		broker.AnyDeadSubject("j"):                                  "dead.*.*.j",
		broker.CancelSubject("j"):                                   "cancel.j",
		broker.JobEventsSubject("o", "j"):                           "events.*.o.j",
		broker.OwnerEventsSubject("o"):                              "events.*.o.*",
		broker.UserSubject("k"):                                     "$KV.USERS.k",
		broker.AdoptionSubject("g-1"):                               "$KV.USERS.adopted.g-1",
		broker.AdoptionsSubject("o"):                                "$KV.USERS.adoptions.o",
		broker.UsersSubject():                                       "$KV.USERS.*",
		broker.APIKeySubject("member", "o", "key_1"):                "$KV.USERS.apikey.member.o.key_1",
		broker.AnyAPIKeySubject("key_1"):                            "$KV.USERS.apikey.*.*.key_1",
		broker.ResetSubject("k"):                                    "$KV.RESET_TOKENS.k",
		broker.ImagesSubject("o", "2026-01-02"):                     "$KV.IMAGES_CACHE.o.2026-01-02",
		broker.ImageSubject("o", "2026-01-02", "k"):                 "$KV.IMAGES_CACHE.o.2026-01-02.k.*",
		broker.ImageChunkSubject("o", "2026-01-02", "k", 3):         "$KV.IMAGES_CACHE.o.2026-01-02.k.3",
		broker.OwnerImagesSubject("o"):                              "$KV.IMAGES_CACHE.o.>",
		broker.WebhookSubject("o", "d"):                             "$KV.WEBHOOKS.o.d",
		broker.OwnerWebhooksSubject("o"):                            "$KV.WEBHOOKS.o.*",
		broker.BatchSubject("o", "b"):                               "$KV.BATCHES.o.b",
		broker.OwnerBatchesSubject("o"):                             "$KV.BATCHES.o.*",
		broker.OwnerBatchDataSubject("o"):                           "$KV.BATCHES.o.>",
		broker.BatchJobsSubject("o", "b", "a", 2):                   "$KV.BATCHES.o.b.jobs.a.2",
		broker.AllBatchJobsSubject("o", "b", "a"):                   "$KV.BATCHES.o.b.jobs.a.*",
		broker.BatchCancelSubject("o", "b"):                         "$KV.BATCHES.o.b.cancel",
		broker.UnfinishedBatchesSubject():                           "$KV.BATCHES.*.*.>",
		broker.WebhookSettingsSubject("o"):                          "$KV.USERS.webhooks.o",
		broker.ImagesStream:                                         "KV_IMAGES_CACHE",
		broker.UsersStream:                                          "KV_USERS",
		broker.WebhooksStream:                                       "KV_WEBHOOKS",
		broker.BatchesStream:                                        "KV_BATCHES",
		broker.CacheSubject("o", "k"):                               "$KV.CACHE.o.k",
		broker.OwnerCacheSubject("o"):                               "$KV.CACHE.o.*",
		broker.CacheStream:                                          "KV_CACHE",
		broker.ResetsStream:                                         "KV_RESET_TOKENS",
		broker.UsageSubject(broker.UsageDay, "w", "b"):              "usage.day.w.b",
		broker.UsageStream(broker.UsageDay):                         "USAGE",
		broker.UsageStream(broker.UsageMinute):                      "USAGE_MINUTE",
		broker.RefundSubject("j", time.UnixMilli(7)):                "usage.refund.j.7",
		broker.ResultsStream:                                        "KV_RESULTS",
		broker.ProgressStream:                                       "KV_PROGRESS",
		broker.ControlStream:                                        "KV_CONTROL",
		broker.FeedbackStream:                                       "KV_FEEDBACK",
		broker.FeedbackSubject("now", "20261123", "o", "f"):         "$KV.FEEDBACK.entry.now.20261123.o.f",
		broker.FeedbackSubject("", "", "o", ""):                     "$KV.FEEDBACK.entry.*.*.o.*",
		broker.FeedbackDoneSubject("o", "f"):                        "$KV.FEEDBACK.done.o.f",
		broker.FeedbackDonesSubject(""):                             "$KV.FEEDBACK.done.*.*",
		broker.FeedbackClaimSubject("o"):                            "$KV.FEEDBACK.claim.o",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParseSubjects(t *testing.T) {
	t.Parallel()
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			k, l, owner, id, ok := broker.ParseJobSubject(broker.JobSubject(kind, lane, "o-1", "j_1"))
			if !ok || k != kind || l != lane || owner != "o-1" || id != "j_1" {
				t.Errorf("%s %s %s %s %t", k, l, owner, id, ok)
			}
		}
	}
	for _, event := range []string{broker.EventQueued, broker.EventProgress, broker.EventResult} {
		e, owner, id, ok := broker.ParseEventSubject("events." + event + ".o-1.j_1")
		if !ok || e != event || owner != "o-1" || id != "j_1" {
			t.Errorf("%s %s %s %t", e, owner, id, ok)
		}
	}
	if kind, owner, id, ok := broker.ParseDeadSubject(broker.DeadSubject(job.KindAudio, "o-1", "j_1")); !ok || kind != job.KindAudio || owner != "o-1" || id != "j_1" {
		t.Errorf("%s %s %s %t", kind, owner, id, ok)
	}
	if era, day, owner, id, ok := broker.ParseFeedbackSubject(broker.FeedbackSubject("now", "20261123", "o-1", "f_1")); !ok || era != "now" || day != "20261123" || owner != "o-1" || id != "f_1" {
		t.Errorf("%s %s %s %s %t", era, day, owner, id, ok)
	}
	for _, subject := range []string{"", broker.FeedbackDoneSubject("o", "f"), broker.FeedbackClaimSubject("o"), "$KV.RESULTS.entry.now.d.o.f"} {
		if _, _, _, _, ok := broker.ParseFeedbackSubject(subject); ok {
			t.Errorf("%q is parsed as feedback", subject)
		}
	}
	for _, subject := range []string{"", "dead", "dead.image.o", "dead.image.o.j.x", "jobs.image.o.j", "events.result.o.j"} {
		if _, _, _, ok := broker.ParseDeadSubject(subject); ok {
			t.Errorf("%q is parsed as a dead letter", subject)
		}
	}
	for _, subject := range []string{
		"", "jobs", "jobs.image.guest.o", "jobs.image.guest.o.j.x", "events.result.o", "events.result.o.j.0", "dead.image.o.j",
		"cancel.j", "$KV.RESULTS.o.j",
	} {
		if _, _, _, _, ok := broker.ParseJobSubject(subject); ok {
			t.Errorf("%q is parsed as a job", subject)
		}
		if _, _, _, ok := broker.ParseEventSubject(subject); ok {
			t.Errorf("%q is parsed as an event", subject)
		}
	}
}

// TestPatternsMatchTheirSubjects checks which subjects the wildcards match.
func TestPatternsMatchTheirSubjects(t *testing.T) {
	t.Parallel()
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "o", "j")
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{broker.AnyJobSubject("o", "j"), subject, true},
		{broker.AnyJobSubject("p", "j"), subject, false},
		{broker.OwnerJobsSubject("o"), subject, true},
		{broker.LaneSubject(job.KindImage, job.LaneGuest), subject, true},
		{broker.LaneSubject(job.KindImage, job.LaneMember), subject, false},
		{broker.OwnerRecordsSubject("o"), broker.RecordSubject("o", "j"), true},
		{broker.OwnerRecordsSubject("o"), broker.ManifestSubject("o", "j", 0), false},
		{broker.JobMediaSubject("o", "j"), broker.ManifestSubject("o", "j", 0), true},
		{broker.JobMediaSubject("o", "j"), broker.ChunkSubject("o", "j", 0, "h", 1), true},
		{broker.JobMediaSubject("o", "j"), broker.RecordSubject("o", "j"), false},
		{broker.JobMediaSubject("o", "j"), broker.ManifestSubject("o", "j2", 0), false},
		{broker.UsersSubject(), broker.UsersProbeSubject("p"), false},
		{broker.UsersSubject(), broker.UserSubject("k"), true},
		{broker.UsersSubject(), broker.GoogleSubject("k"), false},
		{broker.UsersSubject(), broker.AdoptionSubject("g"), false},
		{broker.UsersSubject(), broker.AdoptionsSubject("o"), false},
		{broker.GoogleSubject("k"), broker.UserSubject("k"), false},
		{broker.ResetSubject("k"), broker.SpentSubject("k"), false},
		{broker.CancelsSubject, broker.CancelSubject("j"), true},
	} {
		if got := server.SubjectsCollide(c.pattern, c.subject); got != c.want {
			t.Errorf("%s and %s: %t", c.pattern, c.subject, got)
		}
	}
}
